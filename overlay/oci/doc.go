// Package oci reads what an OCI runtime tells a hook: the container's state on
// stdin and the config.json of its bundle, and finds out from both where a
// client of the container keeps its cache. Package oci/container, below, does
// the rest: it enters the container, judges mount points and attaches.
//
// The words are runtime-spec's: state, bundle, root, process, annotation.
//
// Promises: reading is bounded in bytes, in time and in the number of names; a
// document that two readers could understand differently (a name that occurs
// twice, something after the end, not UTF-8, a byte order mark) is refused.
// Nothing here looks at the container itself, so nothing here needs Linux, root
// or a runtime to be tested.
//
// Limits: of config.json only what Spec names is looked at. Hooks of other
// stages than createRuntime (attach) and poststop (release) are refused: at
// createContainer runc 1.1 passes the container's own environment, LD_PRELOAD
// included, and the pid is not the host's. Checkpoint and restore (CRIU) are
// not supported.
package oci
