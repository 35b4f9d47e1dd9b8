package job

// Query selects jobs of one account, a page at a time. Jobs are ordered by id, which is the order in which they were made.
type Query struct {
	Account   string
	Queue     string // ARN; empty for every queue
	Status    Status // empty for every status
	Ascending bool   // oldest first; otherwise newest first
	After     string // the id of the last job of the page before; empty for the first page
	Limit     int    // at most so many jobs, at least 1
}

// Counts are the jobs of one queue that are not finished.
type Counts struct {
	Submitted   int
	Progressing int
}
