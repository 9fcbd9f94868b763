"""The packages: who may import whom, where time and sockets may stand, and that nothing is left without its test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gateway import bridge, config, errors
from gateway.agents import BUNDLED, load_agents
from tests import doc_tables

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path
    for folder in ("gateway", "codecs", "agents")
    for path in (ROOT / folder).rglob("*.py")
    if not {"codecs", "agents"} & set(path.relative_to(ROOT).parts[1:-1])  # the links in gateway/
)

LEVEL = {
    "errors": 0, "events": 0, "outcomes": 0, "call_record": 0, "machine": 0, "document": 0, "cleanup": 0, "web": 0,
    "pacing": 0, "child_process": 0, "certificates": 0, "versions": 0, "hours": 0, "destinations": 0,
    "codecs": 1,
    "sip": 2, "rtp": 2, "realtime": 2, "local": 2, "store": 2,
    "agents": 3, "prompts": 3,
    "bridge": 4,
    "delivery": 5,
    "config": 6, "app": 6, "control": 6, "logs": 6, "limits": 6, "watchdog": 6, "retention": 6,
    "api": 7, "phone": 7,
    "cli": 8,
}  # fmt: skip
UNRELATED = [{"sip", "rtp", "realtime", "local", "store"}, {"api", "phone"}]
FORBIDDEN = {"bridge": {"local", "config"}, "config": {"local", "api"}, "agents": {"bridge", "codecs"}}
NO_CODECS = {"sip", "realtime", "store"}

LOOP = {
    "machine.py", "child_process.py", "sip/transport.py", "sip/tls.py", "sip/user_agent.py",
    "rtp/session.py", "rtp/clock.py",
    "realtime/openai/client.py",
    "realtime/openai/socket.py", "realtime/openai/link.py", "realtime/pool.py", "local/server.py", "local/process.py",
    "local/__main__.py", "store/writer.py", "store/connection.py", "store/commands.py", "store/watch.py",
    "bridge/tools/runner.py", "bridge/switchboard.py", "bridge/resources.py",
    "bridge/call_runner.py", "bridge/provider_connection.py", "bridge/legs/sip_leg.py", "bridge/tools/webhook_tool.py",
    "bridge/application.py", "bridge/legs/media_access.py", "bridge/tools/mcp_servers.py", "app.py",
    "bridge/media/recorder.py", "api/app.py", "cli/main.py", "cli/remote.py", "sip/lookup.py",
    "sip/public_host.py", "prompts/library.py", "local/ears.py",
}  # fmt: skip
"""Files that may name asyncio, a socket or the time of day."""

TESTED_ELSEWHERE = {
    "gateway/__init__.py", "codecs/__init__.py", "agents/__init__.py", "gateway/local/__main__.py",
    "agents/receptionist.py",
}  # fmt: skip


def _place(path: Path) -> str:
    """`sip/core.py`, `codecs/g711.py`, `cli/main.py`."""
    relative = path.relative_to(ROOT)
    return str(relative.relative_to("gateway") if relative.parts[0] == "gateway" else relative)


def _package(path: Path) -> str:
    return Path(_place(path)).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Rooms that a file imports, absolutely or, in codecs and agents, relatively."""
    packages, own = set(), _package(path)
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            names = [f"gateway.{own}"]
        elif isinstance(node, ast.ImportFrom) and node.module == "gateway":
            names = [f"gateway.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        packages |= {name.split(".")[1] for name in names if name.startswith("gateway.")}
    return packages - {"__version__", "USER_AGENT", own}


def _modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


def _calls(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("path", FILES, ids=_place)
def test_arrows_point_down(path: Path) -> None:
    package = _package(path)
    if package == "__init__":
        return
    for other in _imports(path):
        assert LEVEL[other] <= LEVEL[package], f"{package} may not import {other}"
        assert not any({package, other} <= group for group in UNRELATED), (
            f"{package} and {other} may not know each other"
        )
        assert other not in FORBIDDEN.get(package, ()), f"{package} may not import {other}"
        assert not (other == "codecs" and package in NO_CODECS), f"{package} has no use for codecs"


def test_the_page_has_every_package_at_its_level() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\d) \| (`.+?`) \|", page, re.MULTILINE)
    assert {name: int(level) for level, names in rows for name in re.findall("`(.+?)`", names)} == LEVEL


@pytest.mark.parametrize("path", FILES, ids=_place)
def test_sockets_and_clocks_stay_at_the_edge(path: Path) -> None:
    place = _place(path)
    if place not in LOOP and LEVEL.get(_package(path), 9) <= 4:
        assert not _modules(path) & {"asyncio", "socket", "time", "threading"}, f"{place} is sans-I/O"
    if place not in ("config/load.py", "config/dotenv.py"):
        assert not _calls(path) & {"os.environ", "os.getenv"}, (
            "the environment is read in config/load.py and config/dotenv.py alone"
        )


@pytest.mark.parametrize("path", FILES, ids=_place)
def test_no_second_copy_through_the_links(path: Path) -> None:
    assert not _modules(path) & {"agents", "codecs"}


@pytest.mark.parametrize("path", FILES, ids=_place)
def test_every_module_has_a_test_of_its_name(path: Path) -> None:
    if str(path.relative_to(ROOT)) in TESTED_ELSEWHERE or path.name == "__init__.py":
        return
    place = Path(_place(path))
    assert (ROOT / "tests" / place.parent / f"test_{place.name}").exists()


def test_every_loop_file_exists() -> None:
    assert {_place(path) for path in FILES} >= LOOP


def _kinds(kind: type[errors.GatewayError]) -> set[type[errors.GatewayError]]:
    return {kind}.union(*(_kinds(one) for one in kind.__subclasses__()))


def test_every_error_has_its_row() -> None:
    no_calls = {errors.GatewayError, errors.ApiError}
    assert set(bridge.REASONS) == _kinds(errors.GatewayError) - no_calls


def test_everything_that_is_shipped_loads() -> None:
    assert set(load_agents(BUNDLED)) == {"department", "receptionist"}
    for path in sorted([*(ROOT / "deploy").glob("*.yaml"), *(ROOT / "docs").glob("*.yaml")]):
        config.from_file(path)


@pytest.mark.parametrize("path", doc_tables.FILES, ids=lambda path: str(path.relative_to(doc_tables.DEPLOY)))
def test_what_init_writes_is_shipped_as_it_is(path: Path) -> None:
    assert path.read_text() == doc_tables.FILES[path](), "run python -m tests.doc_tables"


def test_interfaces_name_what_exists() -> None:
    for package in ("sip", "rtp", "realtime", "local", "store", "agents", "bridge", "codecs", "api"):
        interface = __import__(f"gateway.{package}", fromlist=["__all__"])
        assert len(set(interface.__all__)) == len(interface.__all__)
        for name in interface.__all__:
            assert hasattr(interface, name), f"gateway.{package} has no {name}"


@pytest.mark.parametrize(("page", "tests"), [("sip.md", "sip"), ("field.md", "")])
def test_the_tables_of_what_is_done_have_no_empty_cell_and_name_tests_that_are_there(page: str, tests: str) -> None:
    folder = ROOT / "tests" / tests
    rows = [line for line in (ROOT / "docs" / page).read_text().splitlines() if line.startswith("| ")]
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 3
        assert all(cells), row
        for name in re.findall(r"`([^`]+)`", cells[2]):
            file, _, function = name.partition("::")
            place = ROOT / "sipp-scenarios" / file if file.endswith(".xml") else folder / file
            assert place.exists(), name
            assert not function or f"def {function}(" in place.read_text(), name


@pytest.mark.parametrize("name", doc_tables.PAGES)
def test_tables_that_are_made_from_the_code_are_as_it_says(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    assert text == doc_tables.page(name), "run python -m tests.doc_tables"


def _files_imported(path: Path, names: dict[str, Path]) -> set[Path]:
    """By absolute imports, those for types included; what a package's `__init__` hands on is not followed."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                one = names.get(f"{node.module}.{alias.name}") or names.get(node.module)
                if one and one.name != "__init__.py":
                    found.add(one)
    return found - {path}


def test_no_files_import_each_other_not_even_for_types() -> None:
    names = {"gateway." + _place(path).removesuffix(".py").replace("/", "."): path for path in FILES}
    graph = {path: _files_imported(path, names) for path in FILES}
    while free := [path for path, others in graph.items() if not others & graph.keys()]:
        for path in free:
            del graph[path]
    assert not graph, f"in circles: {sorted(map(_place, graph))}"
