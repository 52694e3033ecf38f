"""Write the lock file of the embedded OpenSearch: resolve, download, hash.

Needs ``mvn`` to resolve what depends on what. Run it to move to another version of OpenSearch:

    python -m tools.stack_lock
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1, sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from enricher.stack.download import MavenCentral
from enricher.stack.lock import LOCK_FILE, Lock, LockedArtifact, LockedModule, LockedPlugin

VERSION = "3.4.0"
SECURITY_VERSION = "3.4.0.0"

LIB = (
    f"org.opensearch:opensearch:{VERSION}",
    f"org.opensearch:opensearch-agent-bootstrap:{VERSION}",
    f"org.opensearch:opensearch-plugin-classloader:{VERSION}",
    "org.apache.logging.log4j:log4j-core:2.21.0",
    "net.java.dev.jna:jna:5.16.0",
)


class Module(NamedTuple):
    """What the published jars do not say about a module."""

    artifact: str
    description: str
    classname: str
    extends: tuple[str, ...] = ()


# `analysis-common` is left out: it asks for the Thai locale, which the packaged Java lacks, and
# then no index can be created.
MODULES = (
    Module(
        "transport-netty4-client",
        "HTTP and transport over Netty",
        "org.opensearch.transport.Netty4ModulePlugin",
    ),
    Module("lang-painless", "Scripts", "org.opensearch.painless.PainlessModulePlugin"),
    Module(
        "reindex-client",
        "Reindex, update by query, delete by query",
        "org.opensearch.index.reindex.ReindexModulePlugin",
    ),
    Module(
        "mapper-extras-client",
        "More field types",
        "org.opensearch.index.mapper.MapperExtrasModulePlugin",
        ("lang-painless",),
    ),
    Module(
        "lang-mustache-client",
        "Search templates",
        "org.opensearch.script.mustache.MustacheModulePlugin",
    ),
    Module(
        "lang-expression",
        "Lucene expressions",
        "org.opensearch.script.expression.ExpressionModulePlugin",
    ),
    Module(
        "aggs-matrix-stats-client",
        "Matrix aggregations",
        "org.opensearch.search.aggregations.matrix.MatrixAggregationModulePlugin",
    ),
    Module(
        "parent-join-client",
        "Parent and child documents",
        "org.opensearch.join.ParentJoinModulePlugin",
    ),
    Module(
        "ingest-common",
        "Ingest processors",
        "org.opensearch.ingest.common.IngestCommonModulePlugin",
        ("lang-painless",),
    ),
    Module("geo", "Geographic aggregations", "org.opensearch.geo.GeoModulePlugin"),
)


def resolve(roots: tuple[str, ...], directory: Path) -> set[str]:
    """Give the coordinates of all jars that ``roots`` need at run time."""
    mvn = shutil.which("mvn")
    if mvn is None:
        raise SystemExit("mvn is not on the path")
    dependencies = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
        "</dependency>".format(*root.split(":"))
        for root in roots
    )
    directory.mkdir()
    (directory / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>lock</groupId><artifactId>lock"
        f"</artifactId><version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
    goal = ["dependency:list", "-DincludeScope=runtime", "-DoutputFile=deps.txt"]
    subprocess.run([mvn, "-q", "-B", *goal], cwd=directory, check=True)  # noqa: S603 -- no user input
    lines = (directory / "deps.txt").read_text().splitlines()
    # e.g. "   org.yaml:snakeyaml:jar:2.1:compile"
    found = [line.strip().split(":") for line in lines if ":jar:" in line]
    return {f"{group}:{artifact}:{version}" for group, artifact, _, version, *_ in found}


def lock(coordinates: str) -> LockedArtifact:
    """Download a file, compare it with the repository's own checksum, and hash it."""
    central = MavenCentral()
    content = b"".join(central.chunks(coordinates))
    *name, version = coordinates.split(":")
    extension = name[2] if len(name) > 2 else "jar"  # noqa: PLR2004 -- group:artifact:extension
    published = b"".join(central.chunks(":".join([*name[:2], f"{extension}.sha1", version])))
    if published.split()[0].decode() != sha1(content, usedforsecurity=False).hexdigest():
        raise SystemExit(f"{coordinates} was damaged on the way")
    return LockedArtifact(coordinates, sha256(content).hexdigest(), len(content))


def main() -> None:
    """Write the lock file."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        lib = resolve(LIB, root / "lib")
        jars = {
            module: resolve(
                (f"org.opensearch.plugin:{module.artifact}:{VERSION}",), root / module.artifact
            )
            for module in MODULES
        }
    in_lib = {coordinates.rsplit(":", 1)[0] for coordinates in lib}
    with ThreadPoolExecutor(4) as pool:

        def lock_all(coordinates: set[str]) -> tuple[LockedArtifact, ...]:
            return tuple(pool.map(lock, sorted(coordinates)))

        modules = tuple(
            LockedModule(
                name=module.artifact.removesuffix("-client"),
                description=module.description,
                classname=module.classname,
                extends=module.extends,
                artifacts=lock_all({c for c in found if c.rsplit(":", 1)[0] not in in_lib}),
            )
            for module, found in jars.items()
        )
        security = LockedPlugin(
            name="opensearch-security",
            archive=lock(f"org.opensearch.plugin:opensearch-security:zip:{SECURITY_VERSION}"),
            beside=(lock("org.apache.commons:commons-collections4:4.4"),),
        )
        content = Lock(VERSION, lock_all(lib), modules, security)
    LOCK_FILE.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    size = sum(artifact.size for artifact in set(content.artifacts()))
    print(f"{LOCK_FILE}: {len(set(content.artifacts()))} files, {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
