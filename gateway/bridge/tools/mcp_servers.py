"""Tools of MCP servers (modelcontextprotocol.io): one session for each server, for all calls of the node.

A server that dies is started, or connected to, again; what is asked meanwhile is answered with an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from mcp import Client, MCPError, StdioServerParameters
from mcp import Tool as McpTool
from mcp.types import CONNECTION_CLOSED

from gateway.agents import CallContext
from gateway.bridge.tools.external_tools import McpSettings
from gateway.bridge.tools.schema import checked
from gateway.errors import ConfigError, ToolError

START_SECONDS = 30.0
AGAIN_SECONDS = 2.0

log = structlog.get_logger("gateway.tools")


class McpServer:
    """`async with McpServer(settings)`: its `tools` are known then. Raises ConfigError where it does not answer."""

    def __init__(self, settings: McpSettings) -> None:
        self.settings = settings
        self.tools: list[ServerTool] = []
        self._client: Client | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()

    async def __aenter__(self) -> McpServer:
        loop = asyncio.get_running_loop()
        first: asyncio.Future[None] = loop.create_future()
        self._keeper = loop.create_task(self._keep(first))
        try:
            async with asyncio.timeout(START_SECONDS):
                await first
        except TimeoutError as error:
            await self.__aexit__()
            raise ConfigError("mcp", f"did not answer within {START_SECONDS:g} s", key=self.settings.name) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self, first: asyncio.Future[None]) -> None:
        """Opens and closes the session in one task, as its library wants it."""
        while True:
            self._broken.clear()
            try:
                async with Client(self._target()) as client:
                    listed = await client.list_tools()
                    if not first.done():
                        self.tools = [ServerTool(self, tool) for tool in listed.tools]
                        first.set_result(None)
                    self._client = client
                    await self._broken.wait()
            except Exception as error:  # boundary: whatever the server or its library does
                if not first.done():
                    first.set_exception(ConfigError("mcp", f"cannot be used: {_cause(error)}", key=self.settings.name))
                    return
                log.warning("mcp.lost", server=self.settings.name, problem=_cause(error))
            finally:
                self._client = None
            await asyncio.sleep(AGAIN_SECONDS)

    def _target(self) -> StdioServerParameters | str:
        settings = self.settings
        if settings.url:
            return settings.url
        command, *arguments = settings.command
        return StdioServerParameters(command=command, args=arguments, env=dict(settings.env))

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Raises ToolError."""
        client, name = self._client, self.settings.name
        if client is None:
            raise ToolError(tool, f"the MCP server {name} does not answer")
        try:
            result = await client.call_tool(tool, arguments)
        except Exception as error:  # boundary: a session that has ended is followed by another
            if not isinstance(error, MCPError) or error.code == CONNECTION_CLOSED:
                self._broken.set()
            raise ToolError(tool, f"the MCP server {name}: {_cause(error)}") from error
        text = "\n".join(part.text for part in result.content if part.type == "text")
        if result.is_error:
            raise ToolError(tool, text or "failed")
        return text or result.structured_content or ""


class ServerTool:
    """One tool, as an agent has it: SERVER_TOOL."""

    is_async = True

    def __init__(self, server: McpServer, tool: McpTool) -> None:
        self._server, self._tool = server, tool
        self.name = f"{server.settings.name}_{tool.name}"
        description = (tool.description or "").partition("\n\n")[0]
        parameters = dict(tool.input_schema)
        self.definition: dict[str, Any] = {
            "type": "function",
            "name": self.name,
            "description": description,
            "parameters": parameters,
        }

    def bind(self, arguments: str, context: CallContext, call_id: str) -> Callable[[], Awaitable[Any]]:
        """Raises ToolError."""
        given = checked(self.name, dict(self._tool.input_schema), arguments)
        return lambda: self._server.call(self._tool.name, given)


def _cause(error: BaseException) -> str:
    """The innermost of a group, which says what happened."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
