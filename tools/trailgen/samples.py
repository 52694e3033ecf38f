"""The committed samples: the story's log files, its truth, and a page that explains them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.trailgen.story import tell
from tools.trailgen.trail import write

if TYPE_CHECKING:
    from pathlib import Path

    from tools.trailgen.trail import Trail

SEED = 20_260_302

_PAGE = """\
# Samples: one day of an invented organization

{records} CloudTrail records of Monday, 2026-03-02, in {files} log files, laid out as an
organization's trail lays them out in its bucket. Everybody and everything in them is invented:
names, ids, keys, accounts; the addresses belong to the ranges for documentation. `truth.json`
says of each record (`<eventID>:<recipientAccountId>`) who was really behind it.

| account | id | what it is for |
| --- | --- | --- |
{accounts}

## What happens

- **Background**: AWS Config looks around with its linked role, CloudTrail checks its buckets,
  KMS rotates a key.
- **08:15 alice** signs in to *identity* with a second factor, switches role into *production*,
  opens a CloudShell there and assumes a role in *data*. There she is denied a secret. She creates
  an access key for a machine, which starts to use it; an hour later the console renews her role.
- **10:00 a pipeline** comes in with an OIDC token of its repository, deploys to *production*
  (partly through CloudFormation, which acts on its behalf) and migrates a schema in *data*. It
  does so again at 15:00.
- **All day an EC2 instance** reads from S3, gets new credentials after six hours and exports to
  *data*; a Lambda function, an ECS task and a pod in EKS work beside it.
- **10:16 carol** mistypes her password, somebody tries a name that does not exist, then she signs
  in, and later works with temporary credentials; **dave** runs Terraform, carrying his name along
  as source identity.
- **Identity Center**: grace reads in *data* from the command line; heidi works in the console and
  hands her session to a command line with `aws login`.
- **15:04 bob**, signed in since ten, switches role in the console from *identity* to *production*
  and creates a user. The key that the AssumeRole returned is never used: only the second joins
  the two.
- **15:15 the key of `ci-runner`** turns up at an address where that machine never was. It asks who
  it is, looks around, is denied, assumes a role in *production* and is denied again.
- **15:16 root** signs in to *identity*; dave becomes root of *data* for one task and clears a
  bucket policy.

## Worth asking about

`enricher who EVENT_ID` for each of these:

| event id | what it shows |
| --- | --- |
{highlights}

## Made by

    python -m tools.trailgen samples samples

The same seed gives the same files; a test keeps them fresh.
"""

_PURPOSES = (
    "people's IAM users, sign-in, Identity Center; the management account",
    "serves customers",
    "holds the data",
)


def write_samples(directory: Path, seed: int = SEED) -> None:
    """Write the samples into a directory."""
    trail, highlights = tell(seed)
    write(trail, directory)
    (directory / "README.md").write_text(_page(trail, highlights), encoding="utf-8")


def _page(trail: Trail, highlights: dict[str, str]) -> str:
    names = ("identity", "production", "data")
    accounts = zip(names, trail.account_ids, _PURPOSES, strict=True)
    return _PAGE.format(
        records=len(trail.records),
        files=len(trail.files()),
        accounts="\n".join(f"| {name} | {id_} | {purpose} |" for name, id_, purpose in accounts),
        highlights="\n".join(f"| `{id_}` | {title} |" for title, id_ in highlights.items()),
    )
