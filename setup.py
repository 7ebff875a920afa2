"""The distribution `prematch`, and the only place where its requirements are named.

The core is what an Apache Beam worker needs (Beam's `--setup_file=./setup.py` builds and installs it on every
worker); TensorFlow and everything else are extras. `make lock` turns the extras into `requirements/*.lock`.
"""

from setuptools import find_packages, setup

BEAM = "2.77.0"  # launcher and workers must run the same release
TENSORFLOW = "2.21.*"

# pycocotools is what the faster evaluator is checked against.
TRAINING_TOOLS = ["faster-coco-eval", "matplotlib", "pycocotools", "tensorboard"]

setup(
    name="prematch",
    version="0.1.0",
    description="Detection records with their anchors already matched, written by Apache Beam for TensorFlow",
    author="The prematch authors",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(
        include=[f"{name}{sub}" for name in ("pipeline", "beam_jobs", "model", "configs") for sub in ("", ".*")]
    ),
    entry_points={"console_scripts": ["prematch = pipeline.command_line:prematch"]},
    install_requires=[
        f"apache-beam=={BEAM}",
        "absl-py",
        "google-crc32c",
        "msgspec>=0.20",
        "numpy>=1.26,<3",
        # OpenCV decides the pixels of a record set, so every stack and every worker needs the same release.
        "opencv-python-headless==4.11.0.86",
        "pillow",
        "protobuf",
        "pyyaml",
        "tqdm",
    ],
    extras_require={
        "digits": ["scikit-learn"],
        "train": [f"tensorflow=={TENSORFLOW}", f"tf-keras=={TENSORFLOW}", *TRAINING_TOOLS],
        "gpu": [f"tensorflow[and-cuda]=={TENSORFLOW}; sys_platform == 'linux'"],
        # TensorBoard 2.15 imports pkg_resources, which left setuptools with release 82.
        "addons": ["tensorflow==2.15.1", "tensorflow-addons==0.23.0", "setuptools<81", *TRAINING_TOOLS],
        "dev": ["mypy", "pytest", "pytest-xdist", "ruff", "setuptools"],
        "gcp": [f"apache-beam[gcp]=={BEAM}"],
        "aws": [f"apache-beam[aws]=={BEAM}"],
    },
)
