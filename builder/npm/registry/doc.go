// Package registry asks npm registries for packages, and npm for where they are.
//
// # Configuration
//
// [FromNPM] asks the npm on PATH for its configuration, and reads logins from the npmrc files that it
// names, since npm tells no one a token. Where there is no npm, the variables and files that it would read
// have to name the registry. A project's own .npmrc does not count: it comes with code that nobody
// has looked at, and would say to whom this host's logins are sent.
//
// # Limits
//
// Certificates are taken from cafile, not from ca, and a client's from one file with both the certificate
// and the key.
package registry
