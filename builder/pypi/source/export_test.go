package source

var (
	FailureOf = failureOf
	Resolve   = (*Builder).resolve
)

var (
	DigestOf = digestOf
	Mounts   = (*System).mounts
)
