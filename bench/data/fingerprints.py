"""Fingerprints of published splits, as decoded and in their published size."""

from collections.abc import Mapping

CANONICAL: Mapping[str, str] = {  # SET/SPLIT/number of first images
    "mnist/test/10000": "ccf054bed3ea8b5d64f024cb6614124b15633e2ebd6f8750732cf7ca05131b8c",
    "mnist/train/60000": "52829615eea197857fc79e8cbb014b9f9f73df4ff5ffa81b2f601a77b0e3642d",
    "fashionmnist/test/10000": "85e597db774377108e91b0a1c78ad2db9b5eece70f40f74b23be635e4459f875",
    "fashionmnist/train/60000": "d7fed3011e7f29eae6d98e165d491976e936ed2157fc8bb8751078ea46770f34",
    "cifar10/test/1000": "f737bddf681e3f8add819bb99269160ce3285fab02e8a25a3546aee7fdf69b13",
    "cifar10/train/50000": "1f963e2691d5c30913061bb82987510d565eca18a820c736c8a01105796c566d",
}
