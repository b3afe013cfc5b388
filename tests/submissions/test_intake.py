import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune

from bench.errors import BenchError
from bench.models import build, initialised
from bench.submissions import from_module, load_submission, weights_sha256
from bench.submissions.fitting import fit


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def lenet5() -> nn.Module:
    return initialised("lenet5", classes=10, channels=1, generator=generator()).eval()


def images() -> torch.Tensor:
    return torch.rand(3, 1, 28, 28, generator=generator())


def saved(path: Path, content: object, **options: object) -> Path:
    torch.save(content, path, **options)
    return path


def refused(path: Path) -> str:
    with pytest.raises(BenchError) as caught:
        load_submission(path)
    return caught.value.code


def test_a_state_dict_and_safetensors_of_the_same_weights_are_the_same_submission(lenet5, tmp_path):
    tensors = lenet5.state_dict()
    pt = load_submission(saved(tmp_path / "a.pt", tensors))
    safetensors.torch.save_file(tensors, tmp_path / "b.anything")
    st = load_submission(tmp_path / "b.anything")
    assert pt.record.weights_sha256 == st.record.weights_sha256 == weights_sha256(tensors)
    assert pt.record.architecture == "lenet5"
    assert torch.equal(pt.model(images()), lenet5(images()))
    assert torch.equal(st.model(images()), lenet5(images()))
    assert not pt.model.training


@pytest.mark.parametrize("wrap", ["state_dict", "model", "net"])
def test_wrapped_and_prefixed_checkpoints_load(lenet5, tmp_path, wrap):
    prefixed = {f"module.{name}": tensor for name, tensor in lenet5.state_dict().items()}
    loaded = load_submission(saved(tmp_path / "a.pth", {wrap: prefixed, "epoch": 3}))
    assert torch.equal(loaded.model(images()), lenet5(images()))


def test_the_usual_names_of_a_cifar_resnet18_load(tmp_path):
    network = initialised("resnet18-relu", classes=10, channels=3, generator=generator())
    usual = {
        name.replace("downsample", "shortcut").replace("fc.", "linear."): tensor
        for name, tensor in network.state_dict().items()
    }
    path = saved(tmp_path / "resnet18.pt", usual)
    batch = torch.rand(2, 3, 32, 32, generator=generator())
    loaded = load_submission(path, architecture="resnet18-relu")
    assert torch.equal(loaded.model(batch), network.eval()(batch))
    assert load_submission(path).record.architecture == "resnet18"


def test_masks_of_torch_are_folded_into_the_weights(lenet5, tmp_path):
    network = build("lenet5")
    network.load_state_dict(lenet5.state_dict())
    prune.l1_unstructured(network.conv2, "weight", amount=0.75)
    assert "conv2.weight_mask" in network.state_dict()
    loaded = load_submission(saved(tmp_path / "a.pt", network.state_dict()))
    assert torch.equal(loaded.model.network.conv2.weight, network.conv2.weight)
    assert loaded.record.measured_sparsity == pytest.approx(1800 / 142_110)


def test_a_mask_without_weights_is_refused(lenet5, tmp_path):
    tensors = {**lenet5.state_dict(), "conv1.bias_mask": torch.ones(6)}
    assert refused(saved(tmp_path / "a.pt", tensors)) == "E-WRONG-WEIGHTS"


def test_a_channel_pruned_network_loads_through_its_widths(tmp_path):
    widths = {"conv1": 3, "conv2": 9, "conv3": 50, "fc1": 20}
    narrow = build("lenet5", widths=widths)
    loaded = load_submission(saved(tmp_path / "a.pt", narrow.state_dict()))
    assert torch.equal(loaded.model(images()), narrow(images()))
    assert {name: loaded.record.widths[name] for name in widths} == widths
    assert 0.8 < loaded.record.measured_sparsity < 1


class Marker:
    """Pickled, this would create a file when it is read back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.path,))


def test_a_hostile_pickle_is_refused_and_never_run(tmp_path):
    marker = tmp_path / "ran"
    path = saved(tmp_path / "a.pt", {"w": Marker(marker)})
    assert refused(path) == "E-PICKLED-MODULE"
    assert not marker.exists()


def zipped(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return path


def legacy(path: Path) -> Path:
    return saved(path, {"w": torch.ones(2)}, _use_new_zipfile_serialization=False)


def plain_pickle(path: Path) -> Path:
    path.write_bytes(pickle.dumps({"w": 1}))
    return path


def tarred(path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    return path


def text(path: Path) -> Path:
    path.write_text("not weights")
    return path


def cut_off(path: Path) -> Path:
    whole = saved(path, build("lenet5").state_dict()).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def overlapping(path: Path) -> Path:
    header = json.dumps({"w": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\0\0")
    return path


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda p: saved(p, build("lenet5")), "E-PICKLED-MODULE"),
        (lambda p: zipped(p, "a/data.pkl", "a/constants.pkl"), "E-TORCHSCRIPT"),
        (lambda p: zipped(p, "a/archive_format", "a/data.pkl"), "E-EXPORTED-PROGRAM"),
        (lambda p: zipped(p, "something.txt"), "E-UNKNOWN-FORMAT"),
        (legacy, "E-LEGACY-FORMAT"),
        (plain_pickle, "E-LEGACY-FORMAT"),
        (tarred, "E-LEGACY-FORMAT"),
        (text, "E-UNKNOWN-FORMAT"),
        (cut_off, "E-BROKEN-FILE"),
        (overlapping, "E-BROKEN-FILE"),
        (lambda p: saved(p, [torch.ones(2)]), "E-NOT-A-STATE-DICT"),
        (lambda p: saved(p, {"w": 3}), "E-NOT-A-STATE-DICT"),
        (lambda p: saved(p, {}), "E-NOT-A-STATE-DICT"),
        (lambda p: saved(p, {"w": torch.tensor([1.0, float("nan")])}), "E-BAD-TENSOR"),
        (lambda p: saved(p, {"w": torch.ones(1).expand(10**6)}), "E-BAD-TENSOR"),
        (lambda p: saved(p, {"w": torch.ones(2).to_sparse()}), "E-BAD-TENSOR"),
        (lambda p: saved(p, {"w": torch.ones(2, dtype=torch.complex64)}), "E-BAD-TENSOR"),
        (lambda p: saved(p, {"strange": torch.ones(2)}), "E-UNKNOWN-ARCHITECTURE"),
        (lambda p: p, "E-NO-SUCH-FILE"),
    ],
)
def test_every_other_kind_of_file_is_refused_with_its_own_code(make, code, tmp_path):
    assert refused(make(tmp_path / "model.pt")) == code


def test_weights_of_another_shape_name_the_layer(lenet5):
    tensors = {**lenet5.state_dict(), "fc1.bias": torch.zeros(83)}
    with pytest.raises(BenchError, match=r"fc1\.bias: got shape \(83,\)"):
        fit(tensors, "lenet5")


def test_weights_of_another_architecture_say_so(lenet5):
    with pytest.raises(BenchError, match="is it another --arch"):
        fit(lenet5.state_dict(), "conv6")


def test_a_bare_module_is_marked_as_not_reproducible(lenet5):
    assert from_module(lenet5).flags == ("not-reproducible-from-file",)


def test_a_loaded_object_cannot_hide_its_content(tmp_path):
    tensor = torch.ones(2)
    tensor.shape_for_checkers = "hidden"
    assert refused(saved(tmp_path / "a.pt", {"w": tensor})) == "E-BAD-TENSOR"


def test_timm_weights_that_cannot_be_had_say_what_to_do():
    with pytest.raises(BenchError, match="give a weights file with --arch timm:"):
        load_submission("timm:resnet10t.no_such_tag")


def test_a_timm_state_dict_loads_by_its_name(tmp_path):
    network = build("timm:resnet10t", classes=10, channels=3)
    path = saved(tmp_path / "a.pt", network.state_dict())
    loaded = load_submission(path, architecture="timm:resnet10t")
    batch = torch.rand(2, 3, 32, 32, generator=generator())
    assert torch.equal(loaded.model(batch), network(batch))


def test_a_small_file_builds_no_large_network(tmp_path):
    layers = {"patch_embed.proj.weight": torch.ones(2, 3, 2, 2), "head.weight": torch.ones(10, 2)}
    path = saved(tmp_path / "a.pt", layers)
    with pytest.raises(BenchError, match=r"E-WRONG-WEIGHTS: the file holds 44 numbers, .* more"):
        load_submission(path, architecture="timm:vit_giant_patch14_dinov2")


@pytest.mark.slow
def test_a_robustbench_state_dict_loads_by_its_name(tmp_path):
    network = build("robustbench:Linf/Standard")
    path = saved(tmp_path / "a.pt", {"state_dict": network.state_dict()})
    loaded = load_submission(path, architecture="robustbench:Linf/Standard")
    batch = torch.rand(2, 3, 32, 32, generator=generator())
    torch.testing.assert_close(loaded.model(batch), network(batch))
