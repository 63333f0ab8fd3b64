// Package tags says which wheels a target accepts, and which of them pip would
// take.
//
// # Words
//
// A target is an interpreter and a platform, written as the two outer parts of a
// wheel tag: cp311-manylinux_2_36_x86_64 is CPython 3.11 on glibc 2.36,
// cp313t-musllinux_1_2_aarch64 the free-threaded CPython 3.13 on musl 1.2. It
// means everything that interpreter accepts there, older platforms, the stable
// ABI and pure wheels included. A tag is one triple python-abi-platform; a wheel
// names one or more of them. The rank of a wheel is the index of its best tag in
// the target's list: 0 is pip's first choice.
//
// # Promises
//
// Supported is, tag for tag and in order, what `pip debug --verbose` prints for
// that interpreter with the newest pip that runs on it (testdata/supported.txt,
// made with pip 26.3, and pip 25.0.1 and 26.0.1 for Python 3.8 and 3.9).
//
// # Limits
//
// CPython 3.8 and later on Linux only. pip 26.3 moved the bare linux_<arch> tags
// from behind the manylinux and musllinux ones to before them; it needs Python
// 3.10, so targets from cp310 on have the new order and older ones the old. An
// older pip on a newer Python differs there, for wheels that no public index
// serves. A debug build of Python, and a `_manylinux` module that hides tags, are
// not known here.
//
// # Left to others
//
// Versions, yanked files, requires-python: builder plans with those.
package tags
