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
// Without an error, what the same goals need later, online or offline, was asked for; with one, a part of it
// may have been. Nothing is written outside of the scratch directory, where nothing is left, and nothing
// of a project or a plugin runs outside of the sandbox.
//
// # Errors
//
// A [*Failure] is the project's, or says that the repository did not answer. What the host lacks (mvn, a
// JDK) is a fault of the host's, as package builder tells them apart. Each says what to do next.
//
// # Which build
//
// Measured with Maven 3.8.7 on a library with JUnit 5, and on a web application with Spring Boot: jars and POMs that
// a build asked for, and requests that later builds still made with nothing but those.
//
//	                     files        clean   verify   install
//	package -DskipTests  272 / 408    4 / 4   32 / 30  52 / 52
//	verify -DskipTests   272 / 408    4 / 4   32 / 30  52 / 52
//	go-offline           748 / 856    0 / 0   34 / 44  34 / 44
//	verify               288 / 423    4 / 4    0 / 0   20 / 22
//	clean install        300 / 436    0 / 0    0 / 0    0 / 0
//
// What runs tests is chosen and fetched when there are tests to run, which go-offline (of
// maven-dependency-plugin 3.8.1) does not know of either. So the tests run.
//
// # Limits
//
// A build by another release of Maven asks for other plugins, wherever the project names no version of them; so
// may another JDK, another profile and another goal. Where a version is a range, or missing, each build
// asks for the list of versions, which changes. A POM alone has no tests, and so nothing that runs them. A parent
// or a module in a directory beside the POM's is not copied: the topmost POM is the one to name.
package resolve
