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
// The view npm-packuments has what registries say of the packages that are stocked: by the answer by which versions
// were chosen, where there was one, else by one of its own. npm asks the registry about each before it uses it,
// as far as it is online. An answer that cannot be had, or must not be kept, fails no build: where the registry only
// is silent, or sends something else, what it said before stays.
//
// # Limits
//
// Of a ranked package the version is stocked that npm installs where none is named, without what it needs: by
// downloads, that is ranked itself. Which node a package wants is not looked at. With a budget, the registry is asked
// about every candidate before the first is weighed. A registry that publishes nothing but a SHA-1 serves no
// lock that has more. What a registry says of private packages is in the view as their tarballs are; where an address in
// it has a user or a query, it is left out. Of packages that a lock has for other platforms nothing is asked. An empty file is never executable.
package npm
