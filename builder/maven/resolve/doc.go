// Package resolve has Maven say what a project needs, by building it.
//
// # How
//
// The host's mvn builds a copy of the project in a sandbox (package sandbox), with an empty local repository
// and settings of ours, which name one mirror for everything: a socket in the sandbox's own network. What
// Maven asks for there, a handler of the caller's answers. So plugins, which are anyone's code, run with
// nothing of this host but Maven, its JDK and the shared libraries, and reach nothing but that handler.
//
// # Promises
//
// What a build of the project needs later, online or offline, was asked for, and with an error as well:
// then it is not all of it. Nothing is written outside of the scratch directory, whose files end with the call.
//
// # Errors
//
// A [*Failure] is the project's. What the host lacks (mvn, a JDK, a container runtime) is
// [larder/builder/sandbox.ErrUnsupported]. Both say what to do next.
package resolve
