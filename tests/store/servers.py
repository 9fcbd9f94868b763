"""Redis servers of the tests' own, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from gateway.store.connection import server_executable
from tests.gatewayd import free_port


async def start_server(folder, port, *options):
    """A redis-server on 127.0.0.1, once it answers."""
    command = (server_executable(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "")
    process = await asyncio.create_subprocess_exec(*command, *options, stdout=asyncio.subprocess.DEVNULL)
    await _until_open(port)
    return process


async def _until_open(port):
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def sentinel(folder):
    """A server and a sentinel that knows it; its host:port, and the name of the master."""
    port, own = free_port(), free_port()
    master = await start_server(folder, port)
    file = folder / "sentinel.conf"
    file.write_text(f"port {own}\nbind 127.0.0.1\nsentinel monitor mine 127.0.0.1 {port} 1\n")
    watcher = await asyncio.create_subprocess_exec(
        server_executable(), str(file), "--sentinel", stdout=asyncio.subprocess.DEVNULL
    )
    await _until_open(own)
    try:
        yield f"127.0.0.1:{own}", "mine"
    finally:
        for process in (watcher, master):
            process.terminate()
            await process.wait()


def _port_for_cluster():
    """One that is free together with that of the cluster's bus, which is 10000 above it."""
    for port in random.sample(range(20000, 32000), 100):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10000))
            return port
    raise OSError("no port is free")


@asynccontextmanager
async def cluster(folder):
    """Two servers that share the slots; the host:port of one."""
    ports = [_port_for_cluster() for _ in range(2)]
    servers = []
    for port in ports:
        (folder / str(port)).mkdir()
        servers.append(await start_server(folder / str(port), port, "--cluster-enabled", "yes"))
    clients = [Redis(host="127.0.0.1", port=port) for port in ports]
    for client, slots in zip(clients, (range(8192), range(8192, 16384)), strict=True):
        await client.execute_command("CLUSTER", "ADDSLOTS", *slots)
    await clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[1])
    try:
        async with asyncio.timeout(20):
            for client in clients:
                while b"cluster_state:ok" not in await client.execute_command("CLUSTER", "INFO"):
                    await asyncio.sleep(0.1)
        yield f"127.0.0.1:{ports[0]}"
    finally:
        for client in clients:
            await client.aclose()
        for process in servers:
            process.terminate()
            await process.wait()
