"""Stage 8: policy (envelope.md section 6)."""

from dataclasses import dataclass, field
from typing import Any

from .certificate import Certificate
from .refusal import refuse_if

Users = str | list[str]


@dataclass(frozen=True)
class Access:
    """What the request wants."""

    scope: str = "call"
    pack: str | None = None
    agent: str | None = None


@dataclass(frozen=True)
class Pack:
    """The rules of one pack; `"*"` is everybody who may call it."""

    open: bool = False
    signed: bool = True
    owner: str | None = None
    allowed_users: Users = "*"
    agents: dict[str, Users] = field(default_factory=dict)

    def allows(self, identity: str) -> bool:
        """V8.4, for a pack that is not open."""
        return self.signed and (identity == self.owner or _names(self.allowed_users, identity))

    def allows_agent(self, identity: str | None, agent: str) -> bool:
        """V8.5; nobody (None) may use what everybody may."""
        if not self.agents or (identity is not None and identity == self.owner):
            return True
        return _names(self.agents.get(agent, []), identity)


@dataclass(frozen=True)
class Policy:
    """Rules by the guid of the pack, and those of all others."""

    packs: dict[str, Pack] = field(default_factory=dict)
    unlisted: Pack = Pack()

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Policy":
        """A policy as the vectors write it."""
        packs = {guid: Pack(**rules) for guid, rules in value["packs"].items()}
        return cls(packs, Pack(**value["unlisted"]))

    def pack(self, access: Access) -> Pack:
        """The rules for what the request wants."""
        return self.unlisted if access.pack is None else self.packs.get(access.pack, self.unlisted)

    def check_nobody(self, access: Access) -> None:
        """V8.1 and V8.5 for a request without an envelope."""
        pack = self.pack(access)
        refuse_if(not pack.open, "unauthenticated", "V8.1")
        _check_agent(pack, None, access)

    def check_identity(
        self, identity: str, certificate: Certificate | None, authority: str, access: Access
    ) -> None:
        """V8.2 to V8.5; a registered key is not narrowed."""
        if certificate is not None and certificate.audience is not None:
            heard = _is_audience(certificate.audience, authority, access.pack)
            refuse_if(not heard, "audience-mismatch", "V8.2")
        if certificate is not None and certificate.scope is not None:
            refuse_if(access.scope not in certificate.scope, "scope-missing", "V8.3")
        pack = self.pack(access)
        refuse_if(not pack.open and not pack.allows(identity), "not-allowed", "V8.4")
        _check_agent(pack, identity, access)


def _check_agent(pack: Pack, identity: str | None, access: Access) -> None:
    if access.agent is not None:
        allowed = pack.allows_agent(identity, access.agent)
        refuse_if(not allowed, "agent-not-allowed", "V8.5")


def _is_audience(audience: list[str], authority: str, pack: str | None) -> bool:
    """Authorities are compared but for case, guids byte for byte."""
    return pack in audience or authority in (entry.lower() for entry in audience)


def _names(users: Users, identity: str | None) -> bool:
    return users == "*" or identity in users
