-- Packs and their tokens. Rows stay: a guid that was removed, and the serial of a token, are remembered.

CREATE TABLE pack (
    guid TEXT PRIMARY KEY,                  -- in lower case, a UUID with its hyphens
    spelled TEXT NOT NULL,
    rules TEXT NOT NULL,                    -- JSON: accept, owner, allowed_users, agents
    registered BIGINT NOT NULL,
    registered_by TEXT,                     -- null: nobody is known to have been it
    deployment TEXT,                        -- SHA-256 of the request that deployed it last, while it may be repeated
    deployed BIGINT,                        -- when that was
    removed BIGINT,                         -- when
    changed BIGINT NOT NULL
);
CREATE INDEX pack_changed ON pack (changed, guid);

CREATE TABLE pack_token (
    mac TEXT PRIMARY KEY,                   -- HMAC-SHA256: the token itself is nowhere
    pack TEXT NOT NULL REFERENCES pack (guid),
    name TEXT NOT NULL,
    serial BIGINT NOT NULL,
    created BIGINT NOT NULL,
    created_by TEXT,
    expires BIGINT,
    last_used BIGINT,
    changed BIGINT NOT NULL,
    UNIQUE (pack, name, serial)
);
CREATE INDEX pack_token_changed ON pack_token (changed, mac);
