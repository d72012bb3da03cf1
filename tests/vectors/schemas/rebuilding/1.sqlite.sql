CREATE TABLE rebuild_progress (
	only INTEGER NOT NULL,
	run TEXT NOT NULL,
	generation TEXT NOT NULL,
	cursor BLOB NOT NULL,
	PRIMARY KEY (only)
);
