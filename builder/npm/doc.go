// Package npm builds from registries of JavaScript packages.
//
// Below it: registry asks registries, tarball reads archives and makes layers of them; npmtest is a
// registry for tests.
//
// # Promises
//
// What a lock names is fetched from the registry that npm is configured for, and only where that publishes
// the lock's integrity: it says so, or has bytes of that sha512 at the address where registries have that very
// version. Where a lock has both, nothing else is asked, unless the bytes are not to be had there. No code of a package runs, install scripts neither: a layer is what
// `npm ci --ignore-scripts` leaves of a tarball. The view npm is a part of
// npm's cache, by integrity and by address, so that npm fetches no tarball of it.
//
// # Limits
//
// Of a ranked package the version is stocked that npm installs where none is named, without what it needs: by
// downloads, that is ranked itself. Which node a package wants is not looked at. With a budget, the registry is asked
// about every candidate before the first is weighed. A registry that publishes nothing but a SHA-1 serves no
// lock that has more. An empty file is never executable.
package npm
