-- The schema of weir's database, version 2 (user_version); put into the binary by meson.build.
-- One row a segment; its bytes lie apart, so that the start reads no data.
CREATE TABLE segments (
  id INTEGER PRIMARY KEY,          -- never used again
  kind INTEGER NOT NULL,           -- enum weir_rows
  window INTEGER NOT NULL,         -- the last one whose rows are in it
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  min_time INTEGER NOT NULL, max_time INTEGER NOT NULL,        -- of the rows, ns
  min_arrival INTEGER NOT NULL, max_arrival INTEGER NOT NULL,  -- of their batches, ns
  filter BLOB NOT NULL,            -- which names may occur
  traces BLOB NOT NULL             -- sorted distinct 32-bit hashes of trace ids
) STRICT;
CREATE TABLE data (
  id INTEGER PRIMARY KEY,          -- of the segment
  bytes BLOB NOT NULL
) STRICT;
-- The fold's tables: an image and the deltas since, in order.
CREATE TABLE state (
  number INTEGER PRIMARY KEY,
  window INTEGER NOT NULL,
  is_image INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
-- Who is called what: what 0 = the service itself, 1 = a span name, 2 = a remote service.
CREATE TABLE names (
  service TEXT NOT NULL,
  what INTEGER NOT NULL,
  name TEXT NOT NULL,
  seen_ns INTEGER NOT NULL,
  PRIMARY KEY (service, what, name)
) STRICT, WITHOUT ROWID;
-- One row: how far the ring is stored, and whose file this is.
CREATE TABLE progress (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  database_id BLOB NOT NULL,
  hash_seed INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  boot_id BLOB NOT NULL,
  ring_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  window INTEGER NOT NULL,
  next_segment INTEGER NOT NULL,
  syncs INTEGER NOT NULL
) STRICT;
