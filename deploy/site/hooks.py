"""What the site has beside docs/: pages made from the code, the README as its first page, files that pages link to.

Pages link to files of the repository as they stand there (`../deploy/gateway.yaml`); the site has them under files/.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {"README.md": "index.md", "CHANGELOG.md": "CHANGELOG.md", "CONTRIBUTING.md": "CONTRIBUTING.md"}
"""Files of the repository that are pages of the site."""
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
CSS = """
.md-grid { max-width: 78rem; }
.md-typeset table:not([class]) { font-size: .68rem; display: table; }
.md-typeset table:not([class]) td code { word-break: break-word; }
.md-typeset table:not([class]) td:first-child code { white-space: nowrap; }
@media screen and (max-width: 60em) {
  .md-typeset table:not([class]) { display: inline-block; }
  .md-typeset table:not([class]) td:nth-child(2) { min-width: 14rem; }
}
"""


def _repository_path(link: str, page: str) -> str:
    """The file of the repository that a link of a page means; empty for one that is none of its files."""
    place = PurePosixPath("docs") / PurePosixPath(page).parent
    if page in PAGES.values():
        place = PurePosixPath(".")
    found = os.path.normpath(place / link)
    return found if not found.startswith("..") and (ROOT / found).exists() else ""


def _target(path: str) -> str:
    """Where the site has a file of the repository."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"files/{path}.txt" if Path(path).suffix not in (".json", ".png") else f"files/{path}"


def on_files(files: Any, config: Any) -> Any:
    """The pages of the code, and every file that a page links to."""
    from mkdocs.structure.files import File

    made = {name: _text(path) for path, name in PAGES.items()} | {"cli.md": _cli(), "http.md": _api()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "assets/site.css", content=CSS))
    wanted = set()
    for page in [*made, *(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))]:
        text = made.get(page) or (DOCS / page).read_text(encoding="utf-8")
        for link, _ in LINK.findall(text):
            path = _repository_path(link, page)
            if path and not path.startswith("docs/") and path not in PAGES:
                wanted.add(path)
    for path in sorted(wanted):
        whole = ROOT / path
        if whole.is_dir():
            listed = "".join(f"{one.relative_to(whole)}\n" for one in sorted(whole.rglob("*")) if one.is_file())
            files.append(File.generated(config, _target(path), content=listed))
        else:
            files.append(File.generated(config, _target(path), content=whole.read_bytes()))
    return files


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links that leave docs/ lead to the site's copy."""
    here = PurePosixPath(page.file.src_uri)

    def moved(found: re.Match[str]) -> str:
        path = _repository_path(found[1], str(here))
        if not path:
            return found[0]
        target = os.path.relpath(_target(path), here.parent)
        return f"]({target}{found[2] or ''})"

    return LINK.sub(moved, markdown)


def _cli() -> str:
    """Every command with its options."""
    import typer
    from typer.cli import get_docs_for_click

    from gateway.cli.main import cli

    command = typer.main.get_command(cli)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="gateway", title="The command line")
    return "\n".join(line for line in text.splitlines() if "completion for the current shell" not in line) + "\n"


def _api() -> str:
    """Every request of the API, from the OpenAPI document of a gateway that runs for it."""
    from gateway import config as settings_of
    from gateway import logs
    from gateway.api.app import build
    from gateway.app import Gateway

    logs.configure("error", "auto")

    async def ask() -> dict[str, Any]:
        async with Gateway(settings_of.from_values(settings_of.DEMO, {"sip": {"port": 0}})) as gateway:
            document: dict[str, Any] = build(gateway).openapi()
            return document

    document = asyncio.run(ask())
    rows = ["# API: every request", "", "Made from the OpenAPI document that the gateway serves at `/openapi.json`; "]
    rows += ["[the API](api.md) says what they are for.", ""]
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, one in operations.items():
            by_tag.setdefault((one.get("tags") or ["more"])[0], []).extend(_operation(method, path, one, document))
    for tag, found in by_tag.items():
        rows += [f"## {tag.capitalize()}", "", *found]
    return "\n".join(rows) + "\n"


def _operation(method: str, path: str, one: dict[str, Any], document: dict[str, Any]) -> list[str]:
    rows = [f"### `{method.upper()} {path}`", "", (one.get("description") or one.get("summary", "")).strip(), ""]
    fields = [(given["name"], given["in"], given.get("schema", {}), given.get("description", ""), given.get("required"))
              for given in one.get("parameters", ())]  # fmt: skip
    body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    shape = _resolved(body, document)
    needed = shape.get("required", ())
    fields += [(name, "body", about, about.get("description", ""), name in needed)
               for name, about in shape.get("properties", {}).items()]  # fmt: skip
    if fields:
        rows += ["| name | in | type | what it says |", "| --- | --- | --- | --- |"]
        for name, where, schema, meaning, required in fields:
            kind = _kind(schema, document) + (", required" if required else "")
            rows.append(f"| `{name}` | {where} | {kind} | {' '.join(str(meaning).split())} |".replace("\n", " "))
        rows.append("")
    answers = []
    for code, answer in one["responses"].items():
        content = next(iter(answer.get("content", {}).values()), {}).get("schema", {})
        name = content.get("$ref", "").rpartition("/")[2]
        answers.append(f"`{code}`" + (f" {name}" if name and name != "Problem" else ""))
    return [*rows, f"Answers: {', '.join(answers)}", ""]


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    for one in (schema, *schema.get("anyOf", ())):
        if "$ref" in one:
            found: dict[str, Any] = document["components"]["schemas"][one["$ref"].rpartition("/")[2]]
            return found
    return schema


def _kind(schema: dict[str, Any], document: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _kind(_resolved(schema, document), document)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one, document) for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), document)}"
    return str(schema.get("type", "any"))
