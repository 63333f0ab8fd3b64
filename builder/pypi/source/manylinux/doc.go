// Package manylinux says which platform a wheel with machine code is for.
//
// A back end names what it makes linux_x86_64, which says nothing about the C library: installers take
// it where it cannot be loaded. What its files ask the loader for does say it: the shared libraries
// (DT_NEEDED) and the versions of their symbols (section .gnu.version_r, Linux Standard Base 5.0, Core,
// 10.7). The platform is manylinux_2_X of PEP 600 for the oldest glibc that has them all.
//
// # Sources of the tables
//
// PEP 513, 571, 599 and 600 name the libraries that a container may be expected to have; the versions
// that the compiler's runtime has beside each glibc are those of auditwheel's manylinux-policy.json.
//
// # Limits
//
// Of the policy's libraries only those count that come with glibc and the compiler: the others (X11,
// GLib, OpenGL, zlib, expat) are not in small images. What a file loads by itself (dlopen) is not seen.
// Only glibc is known; musl has no versions.
package manylinux
