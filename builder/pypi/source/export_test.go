package source

var (
	FailureOf = failureOf
	Resolve   = (*Builder).resolve
)
