CREATE TABLE rebuilds (
	number INTEGER NOT NULL,
	state TEXT NOT NULL,
	PRIMARY KEY (number)
);
