package hearth;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;

/**
 * Packs the classes that a function's virtual machine begins with: from the directory that the first
 * argument names, into the file that the second one does. Run once, by `hearth runtime add`. A
 * virtual machine keeps no archive of classes that it has loaded from a directory.
 */
final class Pack {
    private static final List<String> PACKED = Arrays.asList("Entry", "Environment", "Waiting");

    private Pack() {}

    public static void main(String[] arguments) throws IOException {
        Path classes = Paths.get(arguments[0], "hearth");
        Path target = Paths.get(arguments[1]);
        try (JarOutputStream jar = new JarOutputStream(Files.newOutputStream(target));
                DirectoryStream<Path> files = Files.newDirectoryStream(classes, "*.class")) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                if (PACKED.contains(name.split("[.$]")[0])) {
                    jar.putNextEntry(new JarEntry("hearth/" + name));
                    Files.copy(file, jar);
                    jar.closeEntry();
                }
            }
        }
    }
}
