package job

// Query selects jobs of one account, a page at a time. Jobs are ordered by id, which is the order in which they were made.
type Query struct {
	Account string
	Queue   string // ARN; empty for every queue
	Status  Status // empty for every status
	// Facets narrow the list further: a job must have one of the values of each.
	Facets    []Facet
	Ascending bool   // oldest first; otherwise newest first
	After     string // the id of the last job of the page before; empty for the first page
	Limit     int    // at most so many jobs, at least 1
}

// Facet is something by which jobs are found: the name of a facet and values of it.
type Facet struct {
	Name   string
	Values []string
}

// The facets of jobs. A job has as many values of each as its settings have.
const (
	FacetInput      = "fileInput"
	FacetVideoCodec = "videoCodec"
	FacetAudioCodec = "audioCodec"
	// FacetEngine is the version of the engine that was asked for, FacetEngineUsed that of the one that ran.
	FacetEngine     = "jobEngineVersionRequested"
	FacetEngineUsed = "jobEngineVersionUsed"
)

// Counts are the jobs of one queue that are not finished.
type Counts struct {
	Submitted   int
	Progressing int
}
