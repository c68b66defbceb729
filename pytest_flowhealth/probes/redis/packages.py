"""npm packages that connect to a Redis, and which of them a target depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.errors import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_flowhealth.config.manifest import Manifest
    from pytest_flowhealth.config.target import Target

CLIENTS = frozenset(
    {
        "@adonisjs/redis",
        "@fastify/redis",
        "@keyv/redis",
        "@keyv/valkey",
        "@nestjs-modules/ioredis",
        "@node-redis/client",
        "@redis/client",
        "@socket.io/redis-adapter",
        "@socket.io/redis-emitter",
        "@valkey/valkey-glide",
        "bee-queue",
        "bull",
        "bullmq",
        "cache-manager-ioredis",
        "cache-manager-ioredis-yet",
        "cache-manager-redis-store",
        "cache-manager-redis-yet",
        "connect-redis",
        "handy-redis",
        "ioredis",
        "iovalkey",
        "koa-redis",
        "kue",
        "node-resque",
        "rate-limit-redis",
        "redis",
        "redis-om",
        "redlock",
        "resque",
        "rsmq",
        "socket.io-redis",
        "tedis",
    }
)
"""npm packages that need a Redis server."""

QUEUE_LIBRARIES = frozenset({"bullmq", "bull", "bee-queue", "@nestjs/bullmq", "@nestjs/bull"})
"""npm packages that keep jobs in Redis."""

IOREDIS = frozenset({"ioredis", "iovalkey", "bullmq", "bull", "@nestjs/bullmq", "@nestjs/bull"})
"""npm packages that connect by ioredis, which ignores a password that the server does not need."""


def depends_on(target: Target, packages: Collection[str]) -> bool:
    """Return whether the target's own package.json names one of `packages`."""
    try:
        return find_client(target.manifest, packages) is not None
    except CheckFailed:
        return False


def find_queue_library(target: Target) -> str | None:
    """Return the dependency of the target, or of a workspace, that keeps jobs in Redis."""
    source = target.config.fleet.source
    if source in QUEUE_LIBRARIES:
        return source
    try:
        manifests = [target.manifest, *(package.manifest for package in target.packages)]
    except CheckFailed:
        return None
    found = (find_client(manifest, QUEUE_LIBRARIES) for manifest in manifests)
    return next((name for name in found if name), None)


def find_client(manifest: Manifest, among: Collection[str] = CLIENTS) -> str | None:
    """Return the first dependency that needs a Redis, or is one of `among`."""
    declared = {
        **manifest.dependencies,
        **manifest.optional_dependencies,
        **manifest.dev_dependencies,
    }
    return next((name for name in declared if name in among), None)
