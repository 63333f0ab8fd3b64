package help

import _ "embed"

// Shells are the scripts that teach a shell to ask the program: none of them has a list of
// its own, none evaluates a word that was typed. File is the name under which a distribution's
// package installs it.
var Shells = []struct{ Name, File, Script string }{
	{"bash", "larder", bash},
	{"zsh", "_larder", zsh},
	{"fish", "larder.fish", fish},
}

//go:embed shells/larder.bash
var bash string

//go:embed shells/_larder
var zsh string

//go:embed shells/larder.fish
var fish string
