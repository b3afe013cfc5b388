"""Networks of timm; the only import of timm."""

from importlib import import_module

from torch import Tensor, nn

from bench.errors import BenchError


def timm_network(name: str, classes: int, channels: int) -> nn.Module:
    """A network of timm without weights.

    Raises:
        BenchError: E-UNKNOWN-ARCHITECTURE if timm has none of this name.
    """
    timm = import_module("timm")
    if not timm.is_model(name.partition(".")[0]):
        near = ", ".join(timm.list_models(f"*{name[:6]}*")[:8]) or "see timm.list_models()"
        raise BenchError(
            "E-UNKNOWN-ARCHITECTURE", f"timm:{name}: timm has no such model; near: {near}"
        )
    try:
        network: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=classes, in_chans=channels
        )
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        raise BenchError("E-UNKNOWN-ARCHITECTURE", f"timm:{name}: {error}") from error
    return network


def timm_weights(name: str) -> dict[str, Tensor]:
    """The pretrained weights that timm downloads, or has in its cache.

    Raises:
        BenchError: E-UNKNOWN-ARCHITECTURE, or E-NO-SUCH-FILE if they cannot be had.
    """
    timm = import_module("timm")
    try:
        return dict(timm.create_model(name, pretrained=True).state_dict())
    except Exception as error:
        raise BenchError(
            "E-NO-SUCH-FILE",
            f"timm:{name}: its weights cannot be had ({type(error).__name__}); give a weights "
            f"file with --arch timm:{name}",
        ) from error
