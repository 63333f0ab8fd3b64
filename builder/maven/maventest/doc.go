// Package maventest has a Maven repository on loopback, and projects that build from it, for tests.
package maventest
