// Package pypi knows virtual environments: it reads and makes their directories without running
// Python, and finds what they have of projects that are mounted above them.
//
// Whatever it reads may be an enemy's: everything is opened below a descriptor, no links, no other
// mounts, regular files only, all of it bounded.
package pypi
