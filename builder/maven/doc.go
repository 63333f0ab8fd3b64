// Package maven builds from a Maven repository: the local repository of a container, filled with what
// projects' builds ask for.
//
// Below it: settings says where the repository is, repository asks it, resolve has Maven say what a project
// needs; maventest is a repository for tests.
//
// # How
//
// A POM names no files. So a project is built once by real Maven, which nobody trusts, in a sandbox without any
// network but a handler of ours (serve.go). What it asks for, we fetch, check and hand over; the coordinates
// of what was asked for, and was there, are what the project needs. The view has jars and POMs and no other file, so
// that Maven believes them whatever it calls its repositories.
//
// What is ranked needs no project's build: a list of coordinates, or what containers had to download, names versions, of
// which each has a POM and those files, or a jar (ranked.go).
//
// # Promises
//
// A release stays what it was when the store first took it: its SHA-256 is held for ever
// (snapshot.First), whatever repository offers something else later. What the pool has of it is handed over
// without asking again.
//
// What is revoked is handed to no build. Indexes of versions are passed on, named and never stocked; nor are versions in the making, which are named.
package maven
