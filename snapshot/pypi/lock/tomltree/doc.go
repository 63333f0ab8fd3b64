// Package tomltree reads TOML into a tree that knows the line of every value.
//
// It is built from go-toml's stream of expressions. Unmarshal is not used, because
// it tells no line for what was decoded well, and its check for duplicate keys
// looks through every key seen before, which a hostile file turns into hours.
//
// Limits: 1 MiB a line, 512 Ki values, 32 levels of values or of dotted keys. Keys
// defined twice are refused; a dotted key that adds to a table with a [header] is
// taken, though TOML forbids it.
package tomltree
