"""The fields that the identity enricher writes (design §4)."""

from __future__ import annotations

from enricher.enrichers.fields import BOOLEAN, DATE, SHORT, STORED, Field, keyword, word

FIELDS: tuple[Field, ...] = (
    Field(
        "state",
        word(16),
        "`final`; `pending`: evidence may still come; `unresolved`: waited in vain",
        "final",
    ),
    Field(
        "waiting_for",
        keyword(1024),
        "evidence keys whose arrival would change the answer",
        ["issued/ASIAIOSFODNN7EXAMPLE"],
    ),
    Field(
        "origin.status",
        word(32),
        "`resolved`; `ambiguous`: several candidates; `conflict`: evidence contradicts itself; "
        "`external`: continues in an account whose trail is not here; `unknown`",
        "resolved",
    ),
    Field(
        "origin.kind",
        word(32),
        "e.g. `iam_user`, `root`, `saml_subject`, `oidc_subject`, `idc_user`, "
        "`ec2_instance`, `lambda_function`, `workload`, `aws_service`, "
        "`external_role_session`, `unknown_issuer`",
        "iam_user",
    ),
    Field(
        "origin.id",
        keyword(1024),
        "an id that stays: `AIDA…`, an instance id, a subject",
        "AIDACKCEVSQ6C2EXAMPLE",
    ),
    Field("origin.arn", keyword(2048), "its ARN", "arn:aws:iam::111122223333:user/alice"),
    Field("origin.name", keyword(1024), "its name, as people say it", "alice"),
    Field("origin.account_id", keyword(64), "its account", "111122223333"),
    Field(
        "origin.account_name",
        keyword(1024),
        "what its account is called, where a file of names says so",
        "prod",
    ),
    Field(
        "origin.identity_provider",
        keyword(1024),
        "who vouches for it",
        "arn:aws:iam::111122223333:saml-provider/corp",
    ),
    Field("origin.rule", keyword(8), "the rule of the weakest hop", "L1"),
    Field("origin.confidence", word(16), "how sure that is", "exact"),
    Field(
        "origin.reason",
        keyword(64),
        "why there is no answer, or no better one",
        "account-not-collected",
    ),
    Field("origin.human", BOOLEAN, "whether it is a person, where that is known", True),
    Field(
        "origin.acting_as",
        keyword(2048),
        "whose rights were used, where that is no role: a root, a federated user",
        "arn:aws:iam::111122223333:root",
    ),
    Field(
        "origin.via_service",
        keyword(1024),
        "the AWS service in between",
        "cloudformation.amazonaws.com",
    ),
    Field(
        "origin.evidence",
        keyword(1024),
        "ids of the events that prove it; none where the record proves itself",
        ["5f0e6d2c-3b1a-4c8d-9e7f-0a1b2c3d4e5f"],
    ),
    Field(
        "origin.candidates",
        STORED,
        "who else it could be (not indexed)",
        [{"kind": "iam_user", "name": "bob", "rule": "L9"}],
    ),
    Field("origin.missing.account_id", keyword(64), "whose trail would tell", "444455556666"),
    Field("origin.missing.time", DATE, "around which time", "2026-03-02T08:00:00Z"),
    Field(
        "origin.missing.shared_event_id",
        keyword(1024),
        "of which event the other copy is wanted",
        "9c2d4e6f-1a3b-4c5d-8e7f-6a5b4c3d2e1f",
    ),
    Field(
        "chain.via",
        keyword(64),
        "the call that issued the credential, e.g. `AssumeRole`",
        "AssumeRole",
    ),
    Field(
        "chain.arn",
        keyword(2048),
        "the session that it began",
        "arn:aws:sts::444455556666:assumed-role/Admin/alice",
    ),
    Field("chain.account_id", keyword(64), "that session's account", "444455556666"),
    Field(
        "chain.access_key_id", keyword(128), "the access key that it issued", "ASIAIOSFODNN7EXAMPLE"
    ),
    Field(
        "chain.event_id",
        keyword(1024),
        "the event of that call",
        "5f0e6d2c-3b1a-4c8d-9e7f-0a1b2c3d4e5f",
    ),
    Field("chain.at", DATE, "when", "2026-03-02T08:00:00Z"),
    Field("chain.rule", keyword(8), "the rule that joins this hop", "L1"),
    Field("chain.confidence", word(16), "how sure that is", "exact"),
    Field("chain_depth", SHORT, "how many hops", 1),
    Field(
        "chain_text",
        {"type": "keyword", "ignore_above": 4096, "fields": {"text": {"type": "text"}}},
        "the chain in one line",
        "alice → Admin@prod",
    ),
    Field(
        "session.id",
        keyword(64),
        "one id for everything done in one sign-in or one assumed role",
        "0d5c8a1b2e3f40516273849506a7b8c9",
    ),
    Field(
        "session.credential_id",
        keyword(64),
        "the credential used: key ids recur, this one does not",
        "1e6d9b2c3f4051627384950617b8c9d0",
    ),
    Field(
        "session.root_id",
        keyword(64),
        "the session at the origin: everything done by a chain",
        "2f7eac3d40516273849506172839cade",
    ),
    Field(
        "session.root_complete",
        BOOLEAN,
        "whether the chain is known back to its first session",
        True,
    ),
    Field(
        "session.parent_id",
        keyword(64),
        "the session that began this one",
        "2f7eac3d40516273849506172839cade",
    ),
    Field("session.kind", word(16), "what kind of session", "role"),
    Field(
        "session.name",
        keyword(1024),
        "the role session's name: a claim of whoever began it",
        "alice",
    ),
    Field(
        "session.principal_arn",
        keyword(2048),
        "whose session",
        "arn:aws:sts::444455556666:assumed-role/Admin/alice",
    ),
    Field("session.started_at", DATE, "when it began", "2026-03-02T08:00:00Z"),
    Field("session.mfa", BOOLEAN, "whether a second factor was in the context when it began", True),
    Field(
        "session.issued_id",
        keyword(64),
        "the session that this event began",
        "308fbd4e5162738495061728394adbef",
    ),
    Field(
        "session.continues",
        keyword(64),
        "the session that this one goes on",
        "419ace5f62738495061728394a5bec0f",
    ),
    Field(
        "session.sign_in_session",
        keyword(1024),
        "AWS's own id of the sign-in",
        "arn:aws:signin:us-east-1:111122223333:session/4d6e8f",
    ),
    Field(
        "credential.created_by",
        keyword(2048),
        "who created a long-term key",
        "arn:aws:iam::111122223333:user/mallory",
    ),
    Field(
        "credential.created_event",
        keyword(1024),
        "the event of that",
        "6a1f7e3d-4c2b-5d9e-8f0a-1b2c3d4e5f60",
    ),
    Field(
        "access.mode",
        word(16),
        "this call: `console`, `programmatic`, `service`, `unknown`",
        "programmatic",
    ),
    Field("access.subtype", word(32), "what kind of it", "cli"),
    Field("access.session_mode", word(16), "how the session began", "console"),
    Field("access.console", BOOLEAN, "whether that is the console", False),
    Field("access.confidence", word(16), "how sure that is", "strong"),
    Field("access.evidence", keyword(8), "codes of what says so", ["P7"]),
    Field(
        "access.tool",
        keyword(32),
        "console, CLI, SDK, Terraform …: a claim of the user agent",
        "terraform",
    ),
)
