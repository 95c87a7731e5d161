import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.SecureRandom;
import java.security.Security;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Collectors;

/** Says everything about itself that could tell how its virtual machine was started. */
public class Observer {
    private static final String STATUS =
            "(Cap|Groups|NoNewPrivs|NSsid|Seccomp|Shd|SigBlk|SigCgt|SigIgn|Umask|Uid|Gid).*";
    /** Before anything else has asked for one. */
    private static final String ZONE_BEFORE = System.getProperty("user.timezone");

    private static final StackTraceElement[] STACK = new Throwable().getStackTrace();

    public Map<String, Object> handle(Map<String, Object> event) throws Exception {
        Map<String, Object> same = new TreeMap<>();
        same.put("zone before", String.valueOf(ZONE_BEFORE));
        same.put("zone", Arrays.asList(TimeZone.getDefault().getID(), new Date(0).toString()));
        same.put("order of variables", order());
        same.put("properties", properties());
        same.put("arguments", ManagementFactory.getRuntimeMXBean().getInputArguments());
        same.put("command", split("/proc/self/cmdline"));
        same.put("descriptors", descriptors());
        same.put("input", Arrays.asList(System.in.available(), System.in.read()));
        same.put("directory", Paths.get("/proc/self/cwd").toRealPath().toString());
        same.put("files beside it", listed("."));
        same.put("temporary files", listed("/tmp"));
        same.put("child", child());
        same.put("limits", read("/proc/self/limits"));
        same.put("status", matching(read("/proc/self/status")));
        same.put("mounts", mounts());
        same.put("process", ProcessHandle.current().pid());
        same.put("threads", threads());
        same.put("loader", loaders());
        same.put("stack", Arrays.toString(STACK));
        same.put("locale", Arrays.asList(Locale.getDefault(), Charset.defaultCharset()).toString());
        same.put("heap", Runtime.getRuntime().maxMemory());
        same.put("archive", read("/proc/self/maps").contains("/hearth.jsa"));
        same.put("hooks", Thread.getDefaultUncaughtExceptionHandler() == null);
        same.put("algorithms", Security.getProperty("jdk.tls.disabledAlgorithms"));
        String lookups = Security.getProperty("networkaddress.cache.negative.ttl");
        same.put("lookups", String.valueOf(lookups));
        Map<String, Object> answer = new TreeMap<>();
        answer.put("waited", split("/proc/self/environ").contains("_HEARTH_WARM=1"));
        answer.put("chance", Arrays.asList(new SecureRandom().nextLong(), UUID.randomUUID()));
        answer.put("variables", System.getenv());
        answer.put("same", same);
        return answer;
    }

    private static List<String> order() {
        return System.getenv().keySet().stream()
                .filter(name -> !name.equals("_X_AMZN_TRACE_ID"))
                .collect(Collectors.toList());
    }

    private static Map<String, String> properties() {
        Map<String, String> all = new TreeMap<>();
        System.getProperties().forEach((name, value) -> all.put("" + name, "" + value));
        all.remove("com.amazonaws.xray.traceHeader");
        return all;
    }

    /** What each is, and with which flags, but not which one of its kind. */
    private static Map<String, String> descriptors() throws IOException {
        Map<String, String> found = new TreeMap<>();
        for (String name : listed("/proc/self/fd")) {
            try {
                Path target = Files.readSymbolicLink(Paths.get("/proc/self/fd", name));
                String info = read("/proc/self/fdinfo/" + name);
                String flags = info.replaceAll("(?s).*flags:\\s*(\\d+).*", "$1");
                String shown = target.toString().replaceAll("\\d+", "N") + " " + flags;
                // Which numbers its own files have is chance.
                found.put(name.compareTo("4") < 0 && name.length() == 1 ? name : shown, shown);
            } catch (IOException e) {
                continue; // That of the listing itself.
            }
        }
        return found;
    }

    private static String child() throws Exception {
        String names = "env | grep -v '^_' | cut -d= -f1 | sort";
        String script = "readlink /proc/self/fd/0; pwd -P; cat; " + names;
        ProcessBuilder builder = new ProcessBuilder("/bin/sh", "-c", script);
        builder.redirectInput(ProcessBuilder.Redirect.INHERIT);
        Process process = builder.start();
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    private static List<String> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(one -> one.getName() + one.getPriority() + one.isDaemon())
                .filter(one -> !one.contains("process reaper"))
                .sorted()
                .collect(Collectors.toList());
    }

    private static List<String> loaders() {
        List<String> names = new ArrayList<>();
        ClassLoader first = Observer.class.getClassLoader();
        names.add(String.valueOf(first == Thread.currentThread().getContextClassLoader()));
        for (ClassLoader loader = first; loader != null; loader = loader.getParent()) {
            names.add(loader.getClass().getName() + " " + loader.getName());
        }
        return names;
    }

    private static List<String> mounts() throws IOException {
        return Arrays.stream(read("/proc/mounts").split("\n"))
                .map(line -> line.split(" ")[1])
                .sorted()
                .collect(Collectors.toList());
    }

    private static List<String> matching(String status) {
        return Arrays.stream(status.split("\n"))
                .filter(line -> line.matches(STATUS))
                .collect(Collectors.toList());
    }

    private static List<String> listed(String directory) {
        String[] names = new File(directory).list();
        Arrays.sort(names);
        return Arrays.asList(names);
    }

    private static List<String> split(String path) throws IOException {
        return Arrays.asList(read(path).split("\0"));
    }

    private static String read(String path) throws IOException {
        return new String(Files.readAllBytes(Paths.get(path)), StandardCharsets.UTF_8);
    }
}
