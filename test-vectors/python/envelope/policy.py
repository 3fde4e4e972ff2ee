"""Stage 8: policy (envelope.md section 6, packs.md section 2)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .certificate import Certificate, Login
from .encoding import lower
from .refusal import refuse_if

Users = str | list[str] | None
HOLDER = re.compile(r"pack:([^/]+)/[^/]+/[0-9]+")
UUID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Access:
    """What the request wants."""

    scope: str = "call"
    pack: str | None = None
    agent: str | None = None


@dataclass(frozen=True)
class Pack:
    """The rules of one pack; `"*"` is everybody, None every identity that has a key here."""

    open: bool = False
    signed: bool = True
    token: bool = False
    identity: bool = False
    owner: str | None = None
    allowed_users: Users = None
    agents: dict[str, Users] = field(default_factory=dict)

    def allows(self, who: "Who", guid: str | None) -> bool:
        """V8.4, for a pack that is not open."""
        if who.pack is not None:
            mine = guid is not None and pack_key(guid) == who.pack
            return mine and (self.token or self.signed)
        taken = self.signed or (self.identity and who.user is not None)
        return taken and (self.is_owned_by(who) or _names(self.allowed_users, who))

    def is_owned_by(self, who: "Who | None") -> bool:
        """The owner is named as an entry names somebody."""
        return who is not None and self.owner is not None and who.is_meant(self.owner)

    def allows_agent(self, who: "Who | None", agent: str) -> bool:
        """V8.5; nobody (None) may use what everybody may."""
        if not self.agents or self.is_owned_by(who):
            return True
        return _names(self.agents.get(agent, []), who)


@dataclass(frozen=True)
class Who:
    """An identity; of the user of a login certificate, too, what the provider says."""

    identity: str
    user: str | None = None
    groups: tuple[str, ...] = ()
    is_name_taken: bool = True
    pack: str | None = None

    @classmethod
    def of_key(cls, identity: str) -> "Who":
        """Somebody who has a key here; one that the token of a pack has enrolled stands for that pack."""
        holder = HOLDER.fullmatch(identity)
        return cls(identity, pack=pack_key(holder[1]) if holder else None)

    @classmethod
    def of_login(cls, login: Login, is_registered: Callable[[str], bool]) -> "Who":
        """The user of a login certificate."""
        user = login.user.partition(":")[2]
        return cls(login.user, user, tuple(login.groups), is_registered(user))

    def is_meant(self, entry: str) -> bool:
        """Whether an entry of a rule means this identity."""
        if entry == self.identity:
            return True
        if self.user is None:
            return False
        is_github = self.identity.startswith("github:")
        same = lower if is_github else str
        if is_github and entry.startswith("github:") and same(entry) == same(self.identity):
            return True
        groups = [same(group) for group in self.groups]
        name, at, organisation = entry.rpartition("@")
        if not at:
            return same(entry) == same(self.user) and not self.is_name_taken
        is_member = same(organisation) in groups and same(name) == same(self.user)
        return same(entry) in groups or is_member


@dataclass(frozen=True)
class Policy:
    """Rules by the guid of the pack, and those of all others."""

    packs: dict[str, Pack] = field(default_factory=dict)
    unlisted: Pack = Pack()

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Policy":
        """A policy as the vectors write it."""
        packs = {pack_key(guid): Pack(**rules) for guid, rules in value["packs"].items()}
        return cls(packs, Pack(**value["unlisted"]))

    def pack(self, access: Access) -> Pack:
        """The rules for what the request wants."""
        if access.pack is None:
            return self.unlisted
        return self.packs.get(pack_key(access.pack), self.unlisted)

    def check_nobody(self, access: Access) -> None:
        """V8.1 and V8.5 for a request without an envelope."""
        pack = self.pack(access)
        refuse_if(not pack.open, "unauthenticated", "V8.1")
        _check_agent(pack, None, access)

    def check_identity(
        self, who: Who, certificate: Certificate | Login | None, authority: str, access: Access
    ) -> None:
        """V8.2 to V8.5; a registered key is not narrowed."""
        if certificate is not None and certificate.audience is not None:
            heard = _is_audience(certificate.audience, authority, access.pack)
            refuse_if(not heard, "audience-mismatch", "V8.2")
        if certificate is not None and certificate.scope is not None:
            refuse_if(access.scope not in certificate.scope, "scope-missing", "V8.3")
        pack = self.pack(access)
        refuse_if(not pack.open and not pack.allows(who, access.pack), "not-allowed", "V8.4")
        _check_agent(pack, who, access)


def pack_key(guid: str) -> str:
    """What the rules of a pack are found by: without case, and a UUID without hyphens."""
    folded = lower(guid)
    digits = folded.replace("-", "")
    return digits if UUID.fullmatch(digits) else folded


def _check_agent(pack: Pack, who: Who | None, access: Access) -> None:
    if access.agent is not None:
        allowed = pack.allows_agent(who, access.agent)
        refuse_if(not allowed, "agent-not-allowed", "V8.5")


def _is_audience(audience: list[str], authority: str, pack: str | None) -> bool:
    """Authorities are compared but for case, guids as they are written."""
    return pack in audience or authority in (lower(entry) for entry in audience)


def _names(users: Users, who: Who | None) -> bool:
    if users == "*" or who is None:
        return users == "*"
    if users is None:
        return who.user is None and who.pack is None
    return any(who.is_meant(entry) for entry in users)
