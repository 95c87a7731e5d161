package hearth;

import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.JniHelper;
import com.amazonaws.services.lambda.runtime.serialization.PojoSerializer;
import com.amazonaws.services.lambda.runtime.serialization.factories.GsonFactory;
import com.amazonaws.services.lambda.runtime.serialization.factories.JacksonFactory;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Type;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.Security;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TimeZone;
import sun.misc.Unsafe;

/**
 * Waits in a started virtual machine until there is a function.
 *
 * <p>The other end of descriptor 0 is Hearth's agent. It is sent one byte when the machine waits.
 * It sends the function's variables, each with a NUL behind it, and closes its direction. It is
 * sent one more byte if the machine goes on; if not, the machine ends and is started in the plain
 * way. The agent has changed the working directory by then, which Java cannot.
 *
 * <p>Whatever a function can see afterwards has to be as after a plain start. What that takes is
 * tried before the machine says that it waits: where it does not work, it never says so.
 */
final class Waiting {
    private static final String CLIENT = "com.amazonaws.services.lambda.runtime.api.client.";

    /** Classes of the client that ask for no variables when they are initialized. */
    private static final String[] INITIALIZED = {
        "CustomerClassLoader",
        "EventHandlerLoader",
        "EventHandlerLoader$Platform",
        "HandlerInfo",
        "LambdaRequestHandler$UserFaultHandler",
        "PojoSerializerLoader",
        "UserFault",
        "api.LambdaClientContext",
        "api.LambdaCognitoIdentity",
        "logging.FramedTelemetryLogSink",
        "logging.JsonLogFormatter",
        "logging.LambdaContextLogger",
        "logging.LogFiltering",
        "logging.StdOutLogSink",
        "logging.TextLogFormatter",
        "runtimeapi.JniHelper",
        "runtimeapi.LambdaRuntimeApiClientImpl",
        "runtimeapi.NativeClient",
        "runtimeapi.converters.LambdaErrorConverter",
        "runtimeapi.dto.InvocationRequest",
        "util.EnvReader",
        "util.LambdaOutputStream",
        "util.UnsafeUtil",
    };

    /** Those that do, and those that most functions need and some do not. */
    private static final String[] ONLY_LOADED = {
        "AWSLambda",
        "EventHandlerLoader$2",
        "EventHandlerLoader$PojoHandlerAsStreamHandler",
        "EventHandlerLoader$PojoMethodRequestHandler",
        "EventHandlerLoader$StreamMethodRequestHandler",
        "LambdaEnvironment",
        "api.LambdaContext",
        "util.ConcurrencyConfig",
    };

    /** Classes of what the client depends on, to be initialized as well. */
    private static final String[] OTHERS = {
        "com.amazonaws.services.lambda.runtime.CustomPojoSerializer",
        "com.amazonaws.services.lambda.runtime.LambdaRuntime",
        "com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal",
        "com.amazonaws.services.lambda.runtime.logging.LogFormat",
        "com.amazonaws.services.lambda.runtime.logging.LogLevel",
        "com.amazonaws.services.lambda.runtime.serialization.util.Functions",
        "com.amazonaws.services.lambda.runtime.serialization.util.ReflectUtil",
        "software.amazon.awssdk.utilslite.SdkInternalThreadLocal",
    };

    private final Unsafe unsafe;
    private final Environment environment;
    private final Method duplicate;
    private final FileDescriptor socket;

    static void untilThereIsAFunction() {
        try {
            String zone = System.getProperty("user.timezone");
            Waiting waiting = new Waiting(Warnings.silenced());
            Libraries libraries = new Libraries();
            prepare();
            waiting.say();
            byte[] variables = waiting.hear();
            if (variables.length == 0 || libraries.haveRivals()) {
                leave();
            }
            waiting.environment.replace(variables);
            // Java has read the old ones if anything above asked for one.
            if (System.getenv("_HEARTH_WARM") != null) {
                leave();
            }
            forgetZone(zone);
            waiting.say();
            waiting.takeNullDevice();
            Warnings.asBefore();
        } catch (Throwable e) {
            leave();
        }
    }

    private Waiting(Unsafe unsafe) throws Exception {
        this.unsafe = unsafe;
        environment = new Environment(unsafe);
        duplicate =
                Class.forName("sun.nio.ch.InheritedChannel")
                        .getDeclaredMethod("dup2", int.class, int.class);
        Field override = Accessible.class.getDeclaredField("override");
        unsafe.putBoolean(duplicate, unsafe.objectFieldOffset(override), true);
        // Changes nothing but shows that it works.
        duplicate.invoke(null, 0, 0);
        socket = new FileDescriptor();
        setNumber(socket, 0);
    }

    /** Not a shutdown: that would flush and run what is not ours. */
    private static void leave() {
        Runtime.getRuntime().halt(0);
    }

    private void say() throws IOException {
        new FileOutputStream(socket).write(0);
    }

    private byte[] hear() throws IOException {
        // Not readAllBytes, which wants to know where it is in what is no file.
        FileInputStream stream = new FileInputStream(socket);
        ByteArrayOutputStream heard = new ByteArrayOutputStream();
        byte[] part = new byte[65536];
        for (int length = stream.read(part); length > 0; length = stream.read(part)) {
            heard.write(part, 0, length);
        }
        return heard.toByteArray();
    }

    private void takeNullDevice() throws Exception {
        try (FileInputStream nullDevice = new FileInputStream("/dev/null")) {
            duplicate.invoke(null, number(nullDevice.getFD()), 0);
        }
    }

    private void setNumber(FileDescriptor descriptor, int number) throws Exception {
        unsafe.putInt(descriptor, numberOffset(), number);
    }

    private int number(FileDescriptor descriptor) throws Exception {
        return unsafe.getInt(descriptor, numberOffset());
    }

    private long numberOffset() throws Exception {
        return unsafe.objectFieldOffset(FileDescriptor.class.getDeclaredField("fd"));
    }

    private static void forgetZone(String zone) {
        TimeZone.setDefault(null);
        if (zone == null) {
            System.clearProperty("user.timezone");
        } else {
            System.setProperty("user.timezone", zone);
        }
    }

    /** Loads what every function needs, and for handlers of objects what reads and writes JSON. */
    private static void prepare() throws Exception {
        ClassLoader loader = Waiting.class.getClassLoader();
        for (String name : ONLY_LOADED) {
            // To ask for its constructors is to link it.
            Class.forName(CLIENT + name, false, loader).getDeclaredConstructors();
        }
        for (String name : INITIALIZED) {
            Class.forName(CLIENT + name, true, loader);
        }
        for (String name : OTHERS) {
            Class.forName(name, true, loader);
        }
        // The client has its native half where it was unpacked, and is asked once more later.
        JniHelper.load();
        byte[] text = "{\"a\":[1,2.5,\"b\",true,null]}".getBytes(StandardCharsets.UTF_8);
        for (Type type : new Type[] {Map.class, Object.class, String.class}) {
            PojoSerializer<Object> serializer = JacksonFactory.getInstance().getSerializer(type);
            if (type != String.class) {
                Object value = serializer.fromJson(new ByteArrayInputStream(text));
                serializer.toJson(value, new ByteArrayOutputStream());
            }
        }
        Type line = Class.forName(CLIENT + "logging.StructuredLogMessage", true, loader);
        GsonFactory.getInstance().getSerializer(line);
        // To what it is. The client sets it, and the first to do so has much loaded.
        String name = "jdk.tls.disabledAlgorithms";
        Security.setProperty(name, Security.getProperty(name));
        tryFiles();
    }

    /** What loads classes of the function. */
    private static void tryFiles() throws Exception {
        URL own = Waiting.class.getProtectionDomain().getCodeSource().getLocation();
        // From a directory and from an archive, as the function's may be.
        URL[] places = {new URL(own, "."), own};
        try (URLClassLoader loader = new URLClassLoader(places, null)) {
            loader.loadClass(Entry.class.getName());
            loader.findResources("absent").hasMoreElements();
        }
    }

    /** Has the fields of AccessibleObject, so that they are at the same places. */
    private static class Accessible {
        boolean override;
        volatile Object accessCheckCache;
    }

    /** Libraries that are loaded, and what the loader remembers of the function's places. */
    private static final class Libraries {
        private final Set<String> loaded = new HashSet<>();
        private final Set<String> missing = new HashSet<>();

        Libraries() throws IOException {
            // Directories below a library path that the loader looks into by itself.
            loaded.addAll(Arrays.asList("glibc-hwcaps", "tls", "haswell", "x86_64"));
            for (String line : Files.readAllLines(Paths.get("/proc/self/maps"))) {
                String name = line.substring(line.lastIndexOf('/') + 1);
                if (name.contains(".so")) {
                    loaded.add(name.substring(0, name.indexOf(".so")));
                }
            }
            for (String place : ownPlaces()) {
                if (!new File(place).isDirectory()) {
                    missing.add(place);
                }
            }
        }

        /**
         * Whether the function or a layer brings a library in place of one that is loaded already,
         * or one that the loader would not find any more: it remembers which places were not there
         * when it first looked.
         */
        boolean haveRivals() {
            for (String place : ownPlaces()) {
                String[] names = new File(place).list();
                for (String name : names == null ? new String[0] : names) {
                    int end = name.indexOf(".so");
                    if (end >= 0 && missing.contains(place)) {
                        return true;
                    }
                    if (loaded.contains(end >= 0 ? name.substring(0, end) : name)) {
                        return true;
                    }
                }
            }
            return false;
        }

        /** Java keeps LD_LIBRARY_PATH in front of its own places. */
        private static List<String> ownPlaces() {
            List<String> places = new ArrayList<>();
            for (String place : System.getProperty("java.library.path", "").split(":")) {
                if (place.startsWith("/var/task") || place.startsWith("/opt")) {
                    places.add(place);
                }
            }
            return places;
        }
    }

    /**
     * From Java 24 on, who uses Unsafe is warned of, once. The function shall be the first whom
     * that happens to.
     */
    private static final class Warnings {
        private static Field warned;

        static Unsafe silenced() throws Exception {
            try {
                warned = Unsafe.class.getDeclaredField("memoryAccessWarned");
                warned.setAccessible(true);
                warned.setBoolean(null, true);
            } catch (NoSuchFieldException e) {
                warned = null; // An older one, which does not warn.
            }
            Field instance = Unsafe.class.getDeclaredField("theUnsafe");
            instance.setAccessible(true);
            return (Unsafe) instance.get(null);
        }

        static void asBefore() throws Exception {
            if (warned != null) {
                warned.setBoolean(null, false);
            }
        }
    }
}
