package api

import "darkroom/internal/mediaconvert"

// jobsPerPage is the size of a page where none is asked for, and the largest that can be.
const jobsPerPage = 20

func badToken() error {
	return mediaconvert.BadRequest("/nextToken: The token is not one that this list gave. Leave nextToken out to begin at the first page.")
}
