package iamapi

// NotOffered are the operations that are told to be of the API and not carried out.
var NotOffered = notOffered
