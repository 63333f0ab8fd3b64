// Package source makes wheels of source archives, so that anyone who does it again gets the same bytes.
//
// # Words
//
// A source is an archive that an index published, named by its digest. Its back end is the program
// that makes a wheel of it (PEP 517), its build requirements are what the back end needs, its build
// dependencies the wheels that were chosen for them. A recipe is all that decides the result: the
// source, target and interpreter, the build dependencies by digest, the back end and its settings, the
// environment, and the versions of what is here. Its SHA-256 is its id.
//
// # How a wheel is made
//
//	sdist       reads the archive's headers and pyproject.toml; refuses what is not sound
//	resolve.go  has the interpreter's own pip choose the build dependencies: wheels only, so that no
//	            code of theirs runs on the host; the index is the one that pip is configured for
//	site.go     unpacks them into a directory, which the sandbox sees read-only
//	run.go      runs one hook in a sandbox (run.py): first the one that asks for further
//	            requirements, then build_wheel, twice
//	make.go     compares the two in canonical form, and looks for what it does not take
//	native.go   checks machine code, where there may be any, and names the wheel after what it needs
//
// The sandbox has the interpreter, its standard library and the shared libraries that these map
// (root.go), in a virtual environment of its own: no compiler, no other program, no network.
//
// # Machine code
//
// Sources that may have it are built in a root file system of the operator's (system.go), whose digest
// is in the recipe; the interpreter's own directories lie on top of it. Commands of build dependencies are
// on PATH, before those of the root. An interpreter in /usr is the root's own, and has to be of the
// target's version. What a compiler writes down are paths: so those in the sandbox are the same each
// time, and the interpreter's own, and the options it was compiled with, are in the recipe. All is of the
// target's machine, needs no shared library that a container may lack, but for those that the
// operator names, and no newer glibc than the target's (package manylinux).
//
// # Promises
//
// A wheel is made only where two builds gave the same tree: by another user, on another file system,
// with another number of processors, and with the clock of Python code 463 days ahead. It is named after the
// source's project and version, is one that the target takes, and passes all checks that a published
// wheel passes. It has machine code only where the source may have it. Nothing of the source runs outside of the sandbox.
//
// # Limits
//
// Code in C reads the host's clock in both builds. The resolver needs pip 22.2: without one, the pip
// that ensurepip brings is taken; uv is not, since it does not read pip's configuration. Without
// machine code, commands of build dependencies are not on PATH. Which musl machine code needs, nothing in it
// says: for musl none is built.
//
// # Where setuptools builds
//
// Old sources use what newer releases of setuptools have dropped. Where setuptools is the back end and
// a build fails, it is tried with one before 81, then with one before 58. Each is a recipe of its own; the one
// that worked is kept, and so are those that failed, so that they are not tried again.
package source
