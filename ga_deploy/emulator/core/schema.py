"""The emulator's tables. A change here raises `VERSION`: an older file is refused, not guessed at."""

from __future__ import annotations

VERSION = 1

SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE services(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
    unique_name TEXT NOT NULL, friendly_name TEXT NOT NULL, include_credentials INTEGER NOT NULL,
    ui_editable INTEGER NOT NULL, domain_base TEXT UNIQUE NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
    UNIQUE(account, unique_name));

CREATE TABLE environments(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
    service TEXT NOT NULL REFERENCES services(sid) ON DELETE CASCADE,
    unique_name TEXT NOT NULL, domain_suffix TEXT, domain_name TEXT UNIQUE NOT NULL, build TEXT,
    created REAL NOT NULL, updated REAL NOT NULL,
    UNIQUE(service, unique_name));

CREATE TABLE variables(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL, service TEXT NOT NULL,
    environment TEXT NOT NULL REFERENCES environments(sid) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
    UNIQUE(environment, key));

CREATE TABLE containers(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
    service TEXT NOT NULL REFERENCES services(sid) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK(kind IN ('function', 'asset')), friendly_name TEXT NOT NULL,
    created REAL NOT NULL, updated REAL NOT NULL);
CREATE INDEX containers_of ON containers(service, kind);

CREATE TABLE versions(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL, service TEXT NOT NULL,
    container TEXT NOT NULL REFERENCES containers(sid) ON DELETE CASCADE,
    kind TEXT NOT NULL, path TEXT NOT NULL, visibility TEXT NOT NULL, content BLOB NOT NULL, content_type TEXT,
    created REAL NOT NULL);
CREATE INDEX versions_of ON versions(container);

CREATE TABLE builds(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
    service TEXT NOT NULL REFERENCES services(sid) ON DELETE CASCADE,
    dependencies TEXT NOT NULL, runtime TEXT NOT NULL, outcome TEXT, reason TEXT, polls_left INTEGER NOT NULL,
    ready_at REAL NOT NULL, created REAL NOT NULL, updated REAL NOT NULL);
CREATE INDEX builds_of ON builds(service);

CREATE TABLE build_versions(
    build TEXT NOT NULL REFERENCES builds(sid) ON DELETE CASCADE,
    version TEXT NOT NULL REFERENCES versions(sid) ON DELETE CASCADE, PRIMARY KEY(build, version));
CREATE INDEX builds_with ON build_versions(version);

CREATE TABLE deployments(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL, service TEXT NOT NULL,
    environment TEXT NOT NULL REFERENCES environments(sid) ON DELETE CASCADE,
    build TEXT, live_at REAL NOT NULL, created REAL NOT NULL, updated REAL NOT NULL);
CREATE INDEX deployments_of ON deployments(environment);

CREATE TABLE logs(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL, service TEXT NOT NULL,
    environment TEXT NOT NULL REFERENCES environments(sid) ON DELETE CASCADE,
    build TEXT, deployment TEXT, function TEXT, request TEXT, level TEXT NOT NULL, message TEXT NOT NULL,
    created REAL NOT NULL);
CREATE INDEX logs_of ON logs(environment);

CREATE TABLE numbers(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
    phone_number TEXT NOT NULL UNIQUE, settings TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL);

CREATE TABLE sync_services(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
    friendly_name TEXT, is_default INTEGER NOT NULL, created REAL NOT NULL, updated REAL NOT NULL);

CREATE TABLE documents(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
    service TEXT NOT NULL REFERENCES sync_services(sid) ON DELETE CASCADE,
    unique_name TEXT, revision INTEGER NOT NULL, data TEXT NOT NULL, expires REAL,
    created REAL NOT NULL, updated REAL NOT NULL, UNIQUE(service, unique_name));

CREATE TABLE maps(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
    service TEXT NOT NULL REFERENCES sync_services(sid) ON DELETE CASCADE,
    unique_name TEXT, revision INTEGER NOT NULL, expires REAL,
    created REAL NOT NULL, updated REAL NOT NULL, UNIQUE(service, unique_name));

CREATE TABLE items(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, service TEXT NOT NULL,
    map TEXT NOT NULL REFERENCES maps(sid) ON DELETE CASCADE,
    key TEXT NOT NULL, revision INTEGER NOT NULL, data TEXT NOT NULL, expires REAL,
    created REAL NOT NULL, updated REAL NOT NULL, UNIQUE(map, key));

CREATE TABLE flows(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
    test_users TEXT NOT NULL, created REAL NOT NULL);

CREATE TABLE revisions(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, flow TEXT NOT NULL REFERENCES flows(sid) ON DELETE CASCADE,
    revision INTEGER NOT NULL, friendly_name TEXT NOT NULL, status TEXT NOT NULL, definition TEXT NOT NULL,
    commit_message TEXT, valid INTEGER NOT NULL, errors TEXT NOT NULL, warnings TEXT NOT NULL,
    created REAL NOT NULL, UNIQUE(flow, revision));
"""
