"""Strategies by name: how many replicas share the global batch, and on which devices."""

from __future__ import annotations

import tensorflow as tf

from pipeline.errors import UserError

STRATEGIES = ("default", "mirrored")


def make_strategy(name: str, replicas: int | None = None) -> tf.distribute.Strategy:
    """The strategy of that name. At most one `mirrored` a process, before TensorFlow starts its devices.

    Args:
        name: "default", one device; or "mirrored", one replica on each GPU, or on a part of the CPU where
            there is no GPU.
        replicas: of "mirrored"; None for all GPUs, or for one replica on a CPU.

    Raises:
        UserError: for another name, or more replicas than GPUs.
    """
    if name not in STRATEGIES:
        raise UserError(f"--strategy must be one of {', '.join(STRATEGIES)}, got {name!r}")
    if replicas is not None and replicas < 1:
        raise UserError(f"--replicas must be at least 1, got {replicas}")
    if name == "default":
        if replicas not in (None, 1):
            raise UserError(f"--replicas must be 1 with --strategy=default, got {replicas}; use --strategy=mirrored")
        return tf.distribute.get_strategy()
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        count = replicas or len(gpus)
        if count > len(gpus):
            raise UserError(f"--replicas must be at most {len(gpus)}, the number of GPUs, got {count}")
        return tf.distribute.MirroredStrategy([f"GPU:{k}" for k in range(count)])
    count = replicas or 1
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    return tf.distribute.MirroredStrategy([f"CPU:{k}" for k in range(count)])


def device_names(strategy: tf.distribute.Strategy) -> list[str]:
    """The devices of the replicas, in short: CPU:0, GPU:1."""
    if isinstance(strategy, tf.distribute.MirroredStrategy):
        names = list(strategy.extended.worker_devices)
    else:
        names = [device.name for device in tf.config.list_logical_devices("GPU")[:1]] or ["CPU:0"]
    return [":".join(name.split(":")[-2:]) for name in names]


def check_batch(batch: int, replicas: int) -> None:
    """Raises `UserError` where the replicas cannot share the global batch evenly."""
    if batch % replicas:
        raise UserError(f"--batch must be a multiple of the {replicas} replicas, which share it, got {batch}")
