// Package settings reads where Maven fetches from, and how: its settings, and what it has built in.
//
// # Configuration
//
// [FromMaven] reads the user's settings.xml, then the installation's: mirrors, logins of servers, proxies,
// and the repositories of profiles that are active there. Where none of them says where the first
// repository is, the super POM in Maven's own model builder does. A project's POM and its .mvn directory
// do not count: they come with code that nobody has looked at, and would say to whom this host's logins
// are sent.
//
// # Limits
//
// One repository is asked, for whatever a project names: to have several, configure a mirror that brings
// them together. Passwords that Maven keeps encrypted are refused, not sent.
package settings
