package eventsapi

// notOffered are the operations of the API that are not carried out: buses beside the default one and what others may put there, partners, archives and their
// replay, global endpoints.
var notOffered = []string{
	"ActivateEventSource", "CancelReplay", "CreateArchive", "CreateEndpoint", "CreateEventBus", "CreatePartnerEventSource", "DeactivateEventSource", "DeauthorizeConnection",
	"DeleteArchive", "DeleteEndpoint", "DeleteEventBus", "DeletePartnerEventSource", "DescribeArchive", "DescribeEndpoint", "DescribeEventSource", "DescribePartnerEventSource",
	"DescribeReplay", "ListArchives", "ListEndpoints", "ListEventSources", "ListPartnerEventSourceAccounts", "ListPartnerEventSources", "ListReplays", "PutPartnerEvents",
	"PutPermission", "RemovePermission", "StartReplay", "UpdateArchive", "UpdateEndpoint", "UpdateEventBus",
}
