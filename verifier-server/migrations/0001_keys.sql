-- What a verifier writes down of keys. Times are seconds since 1970; SQLite and PostgreSQL both take every line.

-- One row: the number of the last change. Every writer takes the next one first, so writers come one after the other.
CREATE TABLE change (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO change (id, value) VALUES (1, 0);

CREATE TABLE identity (
    name TEXT PRIMARY KEY,
    registered BIGINT NOT NULL,
    registered_by TEXT                      -- null: the configuration
);

-- A key is never taken out again: one that was known once is never new.
CREATE TABLE known_key (
    thumbprint TEXT PRIMARY KEY,
    identity TEXT REFERENCES identity (name),
    role TEXT CHECK (role IN ('identity', 'call')), -- null: narrowed or revoked, and never registered here
    jwk TEXT,                               -- of call keys
    expires BIGINT,
    issued_from BIGINT NOT NULL,
    revoked BIGINT,                         -- when
    revoked_by TEXT,
    successor TEXT,
    registered BIGINT NOT NULL,
    registered_by TEXT,                     -- null: the configuration
    changed BIGINT NOT NULL
);
CREATE INDEX known_key_changed ON known_key (changed, thumbprint);
CREATE INDEX known_key_identity ON known_key (identity, thumbprint);
CREATE INDEX known_key_successor ON known_key (successor);

CREATE TABLE revoked_certificate (
    identity_key TEXT NOT NULL,
    jti TEXT NOT NULL,
    revoked BIGINT NOT NULL,
    revoked_by TEXT NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (identity_key, jti)
);
CREATE INDEX revoked_certificate_changed ON revoked_certificate (changed);

CREATE TABLE ticket (
    digest TEXT PRIMARY KEY,                -- SHA-256: the ticket itself is nowhere
    identity TEXT NOT NULL,
    created BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT,
    used_by TEXT                            -- the key that was registered with it
);
CREATE INDEX ticket_identity ON ticket (identity);

-- The evidence for each rotation and retirement.
CREATE TABLE statement (
    digest TEXT PRIMARY KEY,                -- SHA-256
    content TEXT NOT NULL,
    received BIGINT NOT NULL
);
