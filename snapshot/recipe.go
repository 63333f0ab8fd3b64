package snapshot

import "encoding/json"

// RecipeFormat is the version of the records in recipes/.
const RecipeFormat = 1

// Recipe is one record of recipes/: what was built from a source, or why nothing was. Its id is the
// SHA-256 of What.
type Recipe struct {
	Format    int             `json:"format"`
	Ecosystem string          `json:"ecosystem"`
	Target    string          `json:"target"`
	Project   string          `json:"project"`
	Version   string          `json:"version"`
	Filename  string          `json:"filename"` // of the source
	Source    Digest          `json:"source"`
	URL       string          `json:"url"`   // of the source, without credentials and query
	Index     string          `json:"index"` // root of the index
	What      json.RawMessage `json:"what"`  // all that decides the result, which only the ecosystem can read
	Result    *RecipeResult   `json:"result,omitempty"`
	Failure   *RecipeFailure  `json:"failure,omitempty"` // of Result and Failure one is set
}

// RecipeResult is the artifact that two builds agreed on.
type RecipeResult struct {
	Filename string `json:"filename"`
	SHA256   Digest `json:"sha256"`
	Size     int64  `json:"size"`
	Kind     string `json:"kind"` // Pure or Native
}

// RecipeFailure is why a source is not built: the recipe is not tried again.
type RecipeFailure struct {
	Reason string `json:"reason"` // one word of the ecosystem's, such as needs-network
	Detail string `json:"detail"` // a line for people
}
