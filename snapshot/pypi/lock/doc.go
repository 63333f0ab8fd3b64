// Package lock reads lock files: what they pin for one environment.
//
// # Words
//
// A pin is one project at one version, with the SHA-256 digests of the files that
// may be installed for it. An environment is the values that PEP 508 markers are
// evaluated with; snapshot/pypi makes them for a target. A lock that cannot be
// honoured as it stands is refused: the error is a *Refusal, which names file and
// line, and its Hint says what to do.
//
// # Formats
//
//	requirements.txt   "==" or "===" pins, hashes, markers, extras, -r and -c
//	pylock.toml        PEP 751 1.0, and pylock.NAME.toml
//	uv.lock            version 1: what `uv sync` installs, the "dev" group included
//	poetry.lock        1.0 to 2.x: what `poetry install` installs, all groups included
//
// The file's name decides, else its content. Other locks are refused with the
// command that makes one of these from them. ReadAll joins several locks into one
// environment, whatever their formats.
//
// # Promises
//
// Pins are for the given environment only: markers, requires-python and forks are
// resolved as the lock's own tool does. Two versions of one project are refused,
// with both lines. Names and versions are normalised. Where a format tells which
// files are wheels their digests are kept, for all platforms, and those of the others apart,
// as Sources; a pin that has no wheel is SdistOnly. A requirements file tells no file names: each
// of its digests may be either's. Several locks that disagree about a project are refused.
// The same lock and environment give the same Digest.
//
// Parse is safe on hostile input: it reads at most 16 MiB and 64 included files,
// recurses to fixed depths, never panics (fuzzed), opens nothing but through the
// caller, and reads no environment variable. What it prints of a file is quoted
// and cut; URLs, which may hold passwords, are never printed.
//
// # Limits
//
// Only the lock is read, never the pyproject.toml beside it. So for uv the default
// groups are "dev" whatever tool.uv.default-groups says. For Poetry, whose locks
// do not tell optional groups, every group counts; an optional one is then
// installed too. Locks of Poetry 1 (lock-version 1.x and 2.0) tell neither groups
// nor the project's own markers: a project that only others need, under markers that do not hold, is
// left out; one that the project itself names under such a marker is not.
// The user's own source trees (the project, members of its workspace) are no
// packages: LeftOut names them. Options of a requirements file that say where to
// download from are ignored, because the builder's pip configuration says so.
// Only SHA-256 is understood.
//
// # Left to others
//
// Which file of a pin fits the target, and whether a snapshot has it.
package lock
