package config

// Layers says which ranked wheels a build unpacks: auto, all or none. For all and none, true and
// false may be written, without quotes or with them.
type Layers string

// UnmarshalText implements encoding.TextUnmarshaler. Check refuses what is no such word.
func (l *Layers) UnmarshalText(text []byte) error {
	switch *l = Layers(text); *l {
	case "true":
		*l = "all"
	case "false":
		*l = "none"
	}
	return nil
}
