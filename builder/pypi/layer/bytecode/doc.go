// Package bytecode compiles Python source with the interpreter that will import it,
// in processes that live as long as a build: starting one takes as long as compiling
// twenty files.
//
// # Promises
//
// Nothing that is compiled is run. The bytes depend on the interpreter, the path and
// the source only, whatever the number of workers, the order, and what a worker
// compiled before: what comes out of marshal is put into a canonical form (see
// canonical). A worker that dies or hangs takes no other source with it.
//
// TestE2ECompilerIsDeterministicOnEveryPython tries this with 3,300 sources on every
// interpreter of the host. Without the canonical form one in a thousand differs.
//
// # Limits
//
// For a CPython newer than this program, whose code it does not know, the canonical
// form is left out, and with it the promise. A source of up to 192 KiB may take 192 MiB
// of memory, a longer one 3 GiB, one of those at a time; either two minutes. One that
// takes more memory, makes far more code than sources do, or crashes the interpreter
// twice, has no bytecode; one that hangs it, or a worker killed from outside, is an error.
package bytecode
