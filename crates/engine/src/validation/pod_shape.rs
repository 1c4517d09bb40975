//! Pod templates as upstream's errors show them, whole.

use super::internal::{self, Form, Shape};
use pintle_object::Value;
use pintle_object::field::Shown;
use pintle_object::json;

use Form::{Bool, Int, List, Nullable, Pointer, Struct, Text};

/// Fields of metadata in the order of Go's type; those that are empty are left out.
const METADATA: [&str; 6] = ["name", "generateName", "namespace", "labels", "annotations", "finalizers"];

/// A template of pods.
pub fn shown_template(template: &Value) -> Shown {
    with_metadata(template, &shown_spec(template.get("spec").unwrap_or(&Value::Null)))
}

/// A template: the fields of its metadata, then its spec.
pub fn with_metadata(template: &Value, spec: &Shown) -> Shown {
    let mut fields: Vec<String> = Vec::new();
    for field in METADATA {
        let Some(value) = template.at(&["metadata", field]) else { continue };
        let is_empty = match value {
            Value::Map(map) => map.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Text(text) => text.is_empty(),
            other => other.is_null(),
        };
        if !is_empty {
            fields.push(format!("\"{field}\":{}", json::to_string(value)));
        }
    }
    fields.push(format!("\"Spec\":{}", spec.0));
    Shown(format!("{{{}}}", fields.join(",")))
}

/// A pod's spec. The fields that the API keeps in the spec, and Go in the security context, move there.
pub fn shown_spec(spec: &Value) -> Shown {
    let mut spec = spec.clone();
    const MOVED: [&str; 5] = ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];
    for field in MOVED {
        if let Some(value) = spec.remove(&[field]) {
            spec.set(&["securityContext", field], value);
        }
    }
    internal::shown(&spec, SPEC)
}

const SPEC: Shape = &[
    ("Volumes", "volumes", List(VOLUME)),
    ("InitContainers", "initContainers", List(CONTAINER)),
    ("Containers", "containers", List(CONTAINER)),
    ("EphemeralContainers", "ephemeralContainers", Nullable),
    ("RestartPolicy", "restartPolicy", Text),
    ("TerminationGracePeriodSeconds", "terminationGracePeriodSeconds", Nullable),
    ("ActiveDeadlineSeconds", "activeDeadlineSeconds", Nullable),
    ("DNSPolicy", "dnsPolicy", Text),
    ("NodeSelector", "nodeSelector", Nullable),
    ("ServiceAccountName", "serviceAccountName", Text),
    ("AutomountServiceAccountToken", "automountServiceAccountToken", Nullable),
    ("NodeName", "nodeName", Text),
    ("SecurityContext", "securityContext", Pointer(POD_SECURITY)),
    ("ImagePullSecrets", "imagePullSecrets", List(NAMED)),
    ("Hostname", "hostname", Text),
    ("Subdomain", "subdomain", Text),
    ("SetHostnameAsFQDN", "setHostnameAsFQDN", Nullable),
    ("Affinity", "affinity", Pointer(AFFINITY)),
    ("SchedulerName", "schedulerName", Text),
    ("Tolerations", "tolerations", List(TOLERATION)),
    ("HostAliases", "hostAliases", List(HOST_ALIAS)),
    ("PriorityClassName", "priorityClassName", Text),
    ("Priority", "priority", Nullable),
    ("PreemptionPolicy", "preemptionPolicy", Nullable),
    ("DNSConfig", "dnsConfig", Pointer(DNS_CONFIG)),
    ("ReadinessGates", "readinessGates", List(&[("ConditionType", "conditionType", Text)])),
    ("RuntimeClassName", "runtimeClassName", Nullable),
    ("Overhead", "overhead", Nullable),
    ("EnableServiceLinks", "enableServiceLinks", Nullable),
    ("TopologySpreadConstraints", "topologySpreadConstraints", List(SPREAD)),
    ("OS", "os", Pointer(NAMED)),
    ("SchedulingGates", "schedulingGates", List(NAMED)),
    ("ResourceClaims", "resourceClaims", List(POD_CLAIM)),
    ("Resources", "resources", Pointer(RESOURCES)),
    ("HostnameOverride", "hostnameOverride", Nullable),
    ("SchedulingGroup", "schedulingGroup", Pointer(&[("PodGroupName", "podGroupName", Nullable)])),
];

const NAMED: Shape = &[("Name", "name", Text)];

const CONTAINER: Shape = &[
    ("Name", "name", Text),
    ("Image", "image", Text),
    ("Command", "command", Nullable),
    ("Args", "args", Nullable),
    ("WorkingDir", "workingDir", Text),
    ("Ports", "ports", List(PORT)),
    ("EnvFrom", "envFrom", List(ENV_FROM)),
    ("Env", "env", List(ENV)),
    ("Resources", "resources", Struct(RESOURCES)),
    ("ResizePolicy", "resizePolicy", List(RESIZE)),
    ("RestartPolicy", "restartPolicy", Nullable),
    ("RestartPolicyRules", "restartPolicyRules", List(RESTART_RULE)),
    ("VolumeMounts", "volumeMounts", List(MOUNT)),
    ("VolumeDevices", "volumeDevices", List(DEVICE)),
    ("LivenessProbe", "livenessProbe", Pointer(PROBE)),
    ("ReadinessProbe", "readinessProbe", Pointer(PROBE)),
    ("StartupProbe", "startupProbe", Pointer(PROBE)),
    ("Lifecycle", "lifecycle", Pointer(LIFECYCLE)),
    ("TerminationMessagePath", "terminationMessagePath", Text),
    ("TerminationMessagePolicy", "terminationMessagePolicy", Text),
    ("ImagePullPolicy", "imagePullPolicy", Text),
    ("SecurityContext", "securityContext", Pointer(SECURITY)),
    ("Stdin", "stdin", Bool),
    ("StdinOnce", "stdinOnce", Bool),
    ("TTY", "tty", Bool),
];

const PORT: Shape = &[
    ("Name", "name", Text),
    ("HostPort", "hostPort", Int),
    ("ContainerPort", "containerPort", Int),
    ("Protocol", "protocol", Text),
    ("HostIP", "hostIP", Text),
];
const OPTIONAL_NAME: Shape = &[("Name", "name", Text), ("Optional", "optional", Nullable)];
const OPTIONAL_KEY: Shape =
    &[("Name", "name", Text), ("Key", "key", Text), ("Optional", "optional", Nullable)];
const ENV_FROM: Shape = &[
    ("Prefix", "prefix", Text),
    ("ConfigMapRef", "configMapRef", Pointer(OPTIONAL_NAME)),
    ("SecretRef", "secretRef", Pointer(OPTIONAL_NAME)),
];
const ENV: Shape =
    &[("Name", "name", Text), ("Value", "value", Text), ("ValueFrom", "valueFrom", Pointer(ENV_SOURCE))];
const ENV_SOURCE: Shape = &[
    ("FieldRef", "fieldRef", Pointer(FIELD_REF)),
    ("ResourceFieldRef", "resourceFieldRef", Pointer(RESOURCE_REF)),
    ("ConfigMapKeyRef", "configMapKeyRef", Pointer(OPTIONAL_KEY)),
    ("SecretKeyRef", "secretKeyRef", Pointer(OPTIONAL_KEY)),
    ("FileKeyRef", "fileKeyRef", Pointer(FILE_REF)),
];
const FIELD_REF: Shape = &[("APIVersion", "apiVersion", Text), ("FieldPath", "fieldPath", Text)];
const RESOURCE_REF: Shape =
    &[("ContainerName", "containerName", Text), ("Resource", "resource", Text), ("Divisor", "divisor", Text)];
const FILE_REF: Shape = &[
    ("VolumeName", "volumeName", Text),
    ("Path", "path", Text),
    ("Key", "key", Text),
    ("Optional", "optional", Nullable),
];
const RESOURCES: Shape = &[
    ("Limits", "limits", Nullable),
    ("Requests", "requests", Nullable),
    ("Claims", "claims", List(&[("Name", "name", Text), ("Request", "request", Text)])),
];
const RESIZE: Shape = &[("ResourceName", "resourceName", Text), ("RestartPolicy", "restartPolicy", Text)];
const RESTART_RULE: Shape = &[
    ("Action", "action", Text),
    ("ExitCodes", "exitCodes", Pointer(&[("Operator", "operator", Text), ("Values", "values", Nullable)])),
];
const MOUNT: Shape = &[
    ("Name", "name", Text),
    ("ReadOnly", "readOnly", Bool),
    ("RecursiveReadOnly", "recursiveReadOnly", Nullable),
    ("MountPath", "mountPath", Text),
    ("SubPath", "subPath", Text),
    ("MountPropagation", "mountPropagation", Nullable),
    ("SubPathExpr", "subPathExpr", Text),
];
const DEVICE: Shape = &[("Name", "name", Text), ("DevicePath", "devicePath", Text)];

const EXEC: Shape = &[("Command", "command", Nullable)];
const HTTP_GET: Shape = &[
    ("Path", "path", Text),
    ("Port", "port", Int),
    ("Host", "host", Text),
    ("Scheme", "scheme", Text),
    ("HTTPHeaders", "httpHeaders", List(&[("Name", "name", Text), ("Value", "value", Text)])),
];
const TCP_SOCKET: Shape = &[("Port", "port", Int), ("Host", "host", Text)];
const GRPC: Shape = &[("Port", "port", Int), ("Service", "service", Nullable)];
const PROBE: Shape = &[
    ("Exec", "exec", Pointer(EXEC)),
    ("HTTPGet", "httpGet", Pointer(HTTP_GET)),
    ("TCPSocket", "tcpSocket", Pointer(TCP_SOCKET)),
    ("GRPC", "grpc", Pointer(GRPC)),
    ("InitialDelaySeconds", "initialDelaySeconds", Int),
    ("TimeoutSeconds", "timeoutSeconds", Int),
    ("PeriodSeconds", "periodSeconds", Int),
    ("SuccessThreshold", "successThreshold", Int),
    ("FailureThreshold", "failureThreshold", Int),
    ("TerminationGracePeriodSeconds", "terminationGracePeriodSeconds", Nullable),
];
const HANDLER: Shape = &[
    ("Exec", "exec", Pointer(EXEC)),
    ("HTTPGet", "httpGet", Pointer(HTTP_GET)),
    ("TCPSocket", "tcpSocket", Pointer(TCP_SOCKET)),
    ("Sleep", "sleep", Pointer(&[("Seconds", "seconds", Int)])),
];
const LIFECYCLE: Shape = &[
    ("PostStart", "postStart", Pointer(HANDLER)),
    ("PreStop", "preStop", Pointer(HANDLER)),
    ("StopSignal", "stopSignal", Nullable),
];

const SE_LINUX: Shape =
    &[("User", "user", Text), ("Role", "role", Text), ("Type", "type", Text), ("Level", "level", Text)];
const WINDOWS: Shape = &[
    ("GMSACredentialSpecName", "gmsaCredentialSpecName", Nullable),
    ("GMSACredentialSpec", "gmsaCredentialSpec", Nullable),
    ("RunAsUserName", "runAsUserName", Nullable),
    ("HostProcess", "hostProcess", Nullable),
];
const PROFILE: Shape = &[("Type", "type", Text), ("LocalhostProfile", "localhostProfile", Nullable)];
const SECURITY: Shape = &[
    ("Capabilities", "capabilities", Pointer(&[("Add", "add", Nullable), ("Drop", "drop", Nullable)])),
    ("Privileged", "privileged", Nullable),
    ("SELinuxOptions", "seLinuxOptions", Pointer(SE_LINUX)),
    ("WindowsOptions", "windowsOptions", Pointer(WINDOWS)),
    ("RunAsUser", "runAsUser", Nullable),
    ("RunAsGroup", "runAsGroup", Nullable),
    ("RunAsNonRoot", "runAsNonRoot", Nullable),
    ("ReadOnlyRootFilesystem", "readOnlyRootFilesystem", Nullable),
    ("AllowPrivilegeEscalation", "allowPrivilegeEscalation", Nullable),
    ("ProcMount", "procMount", Nullable),
    ("SeccompProfile", "seccompProfile", Pointer(PROFILE)),
    ("AppArmorProfile", "appArmorProfile", Pointer(PROFILE)),
];
const POD_SECURITY: Shape = &[
    ("HostNetwork", "hostNetwork", Bool),
    ("HostPID", "hostPID", Bool),
    ("HostIPC", "hostIPC", Bool),
    ("ShareProcessNamespace", "shareProcessNamespace", Nullable),
    ("HostUsers", "hostUsers", Nullable),
    ("SELinuxOptions", "seLinuxOptions", Pointer(SE_LINUX)),
    ("WindowsOptions", "windowsOptions", Pointer(WINDOWS)),
    ("RunAsUser", "runAsUser", Nullable),
    ("RunAsGroup", "runAsGroup", Nullable),
    ("RunAsNonRoot", "runAsNonRoot", Nullable),
    ("SupplementalGroups", "supplementalGroups", Nullable),
    ("SupplementalGroupsPolicy", "supplementalGroupsPolicy", Nullable),
    ("FSGroup", "fsGroup", Nullable),
    ("FSGroupChangePolicy", "fsGroupChangePolicy", Nullable),
    ("Sysctls", "sysctls", List(&[("Name", "name", Text), ("Value", "value", Text)])),
    ("SeccompProfile", "seccompProfile", Pointer(PROFILE)),
    ("AppArmorProfile", "appArmorProfile", Pointer(PROFILE)),
    ("SELinuxChangePolicy", "seLinuxChangePolicy", Nullable),
];

const REQUIREMENT: Shape =
    &[("Key", "key", Text), ("Operator", "operator", Text), ("Values", "values", Nullable)];
pub const NODE_SELECTOR: Shape = &[("NodeSelectorTerms", "nodeSelectorTerms", List(NODE_TERM))];
pub const NODE_TERM: Shape = &[
    ("MatchExpressions", "matchExpressions", List(REQUIREMENT)),
    ("MatchFields", "matchFields", List(REQUIREMENT)),
];
const NODE_AFFINITY: Shape = &[
    (
        "RequiredDuringSchedulingIgnoredDuringExecution",
        "requiredDuringSchedulingIgnoredDuringExecution",
        Pointer(NODE_SELECTOR),
    ),
    (
        "PreferredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
        List(&[("Weight", "weight", Int), ("Preference", "preference", Struct(NODE_TERM))]),
    ),
];
const POD_TERM: Shape = &[
    ("LabelSelector", "labelSelector", Nullable),
    ("Namespaces", "namespaces", Nullable),
    ("TopologyKey", "topologyKey", Text),
    ("NamespaceSelector", "namespaceSelector", Nullable),
    ("MatchLabelKeys", "matchLabelKeys", Nullable),
    ("MismatchLabelKeys", "mismatchLabelKeys", Nullable),
];
const POD_AFFINITY: Shape = &[
    (
        "RequiredDuringSchedulingIgnoredDuringExecution",
        "requiredDuringSchedulingIgnoredDuringExecution",
        List(POD_TERM),
    ),
    (
        "PreferredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
        List(&[("Weight", "weight", Int), ("PodAffinityTerm", "podAffinityTerm", Struct(POD_TERM))]),
    ),
];
const AFFINITY: Shape = &[
    ("NodeAffinity", "nodeAffinity", Pointer(NODE_AFFINITY)),
    ("PodAffinity", "podAffinity", Pointer(POD_AFFINITY)),
    ("PodAntiAffinity", "podAntiAffinity", Pointer(POD_AFFINITY)),
];
const TOLERATION: Shape = &[
    ("Key", "key", Text),
    ("Operator", "operator", Text),
    ("Value", "value", Text),
    ("Effect", "effect", Text),
    ("TolerationSeconds", "tolerationSeconds", Nullable),
];
const HOST_ALIAS: Shape = &[("IP", "ip", Text), ("Hostnames", "hostnames", Nullable)];
const DNS_CONFIG: Shape = &[
    ("Nameservers", "nameservers", Nullable),
    ("Searches", "searches", Nullable),
    ("Options", "options", List(&[("Name", "name", Text), ("Value", "value", Nullable)])),
];
const SPREAD: Shape = &[
    ("MaxSkew", "maxSkew", Int),
    ("TopologyKey", "topologyKey", Text),
    ("WhenUnsatisfiable", "whenUnsatisfiable", Text),
    ("LabelSelector", "labelSelector", Nullable),
    ("MinDomains", "minDomains", Nullable),
    ("NodeAffinityPolicy", "nodeAffinityPolicy", Nullable),
    ("NodeTaintsPolicy", "nodeTaintsPolicy", Nullable),
    ("MatchLabelKeys", "matchLabelKeys", Nullable),
];
const POD_CLAIM: Shape = &[
    ("Name", "name", Text),
    ("ResourceClaimName", "resourceClaimName", Nullable),
    ("ResourceClaimTemplateName", "resourceClaimTemplateName", Nullable),
];

/// The sources that templates of workloads use, in the order of Go's type; the rest show as they stand.
const VOLUME: Shape = &[
    ("Name", "name", Text),
    ("HostPath", "hostPath", Pointer(&[("Path", "path", Text), ("Type", "type", Nullable)])),
    ("EmptyDir", "emptyDir", Pointer(&[("Medium", "medium", Text), ("SizeLimit", "sizeLimit", Nullable)])),
    ("GCEPersistentDisk", "gcePersistentDisk", Nullable),
    ("AWSElasticBlockStore", "awsElasticBlockStore", Nullable),
    ("GitRepo", "gitRepo", Nullable),
    ("Secret", "secret", Pointer(SECRET_VOLUME)),
    ("NFS", "nfs", Nullable),
    ("ISCSI", "iscsi", Nullable),
    ("Glusterfs", "glusterfs", Nullable),
    (
        "PersistentVolumeClaim",
        "persistentVolumeClaim",
        Pointer(&[("ClaimName", "claimName", Text), ("ReadOnly", "readOnly", Bool)]),
    ),
    ("RBD", "rbd", Nullable),
    ("Quobyte", "quobyte", Nullable),
    ("FlexVolume", "flexVolume", Nullable),
    ("Cinder", "cinder", Nullable),
    ("CephFS", "cephfs", Nullable),
    ("Flocker", "flocker", Nullable),
    ("DownwardAPI", "downwardAPI", Nullable),
    ("FC", "fc", Nullable),
    ("AzureFile", "azureFile", Nullable),
    ("ConfigMap", "configMap", Pointer(CONFIG_MAP_VOLUME)),
    ("VsphereVolume", "vsphereVolume", Nullable),
    ("AzureDisk", "azureDisk", Nullable),
    ("PhotonPersistentDisk", "photonPersistentDisk", Nullable),
    ("Projected", "projected", Nullable),
    ("PortworxVolume", "portworxVolume", Nullable),
    ("ScaleIO", "scaleIO", Nullable),
    ("StorageOS", "storageos", Nullable),
    ("CSI", "csi", Nullable),
    ("Ephemeral", "ephemeral", Nullable),
    ("Image", "image", Nullable),
];
const ITEM: Shape = &[("Key", "key", Text), ("Path", "path", Text), ("Mode", "mode", Nullable)];
const SECRET_VOLUME: Shape = &[
    ("SecretName", "secretName", Text),
    ("Items", "items", List(ITEM)),
    ("DefaultMode", "defaultMode", Nullable),
    ("Optional", "optional", Nullable),
];
const CONFIG_MAP_VOLUME: Shape = &[
    ("Name", "name", Text),
    ("Items", "items", List(ITEM)),
    ("DefaultMode", "defaultMode", Nullable),
    ("Optional", "optional", Nullable),
];
