// Package tarball reads packages as registries publish them, gzipped tar archives, and lists what npm
// makes of one in node_modules.
//
// # What comes out
//
// The first part of each name is left out, whatever it is. A file is executable when any bit of its mode
// says so, or when package.json names it as a program: then a line end of Windows in its "#!" line is
// mended, too. Links and empty directories are left out, and what lies beside the package's directory. A .gitignore
// becomes an .npmignore, unless there is one. Packages that are bundled are kept, and their programs are made
// executable as well. Times and owners are not taken over. All of it as npm 10 to 12 do (pacote,
// lib/fetcher.js; bin-links; npm-normalize-package-bin), but for one thing: what has only some execute bits (0744,
// in old packages) is 0755 here, as objects are executable for all or for nobody.
//
// # What is refused
//
// The archive is hostile until it is read. Where npm warns and goes on, or two readers could disagree,
// the whole tarball is refused, with one line that says which entry and why: names that lead out of the
// package, devices, sparse files, one name for two contents, an archive that ends early or goes
// on after its end, a package.json of another package, and more than limits allow.
package tarball
