// Package npm tells from what npm leaves behind which packages it had to download.
//
// It looks at npm's cache, _cacache in the upper of its mount: an entry of the index (index-v5) for the address
// of a tarball is a miss where the content that it names (content-v2) is new in the upper, too. A hit leaves
// at most a bucket that was written again, and never content. What was asked of registries shows likewise, by the
// entries for the addresses of packages.
//
// A package's name and version are in the address as registries have it, …/NAME/-/FILE-VERSION.tgz, which is
// also where tarballs are at registries that are not the public one.
//
// # Limits
//
// Tarballs of git, of files, and of registries with other addresses name nothing. What npm has unpacked
// into a mounted node_modules is not looked at: npm ci unpacks there what it has in its cache, too. A container that cleans
// its cache before it ends has hidden what it fetched, and what it fetches after that is a miss, stocked or not.
package npm
